import assert from "node:assert/strict";

const lock = await redlock.acquire(["a lock"], 5000);
await assert.rejects(new Redlock([client], { retryCount: 0 }).acquire(["a lock"], 5000));
await (await lock.extend(5000)).release();
await (await redlock.acquire(["a lock"], 5000)).release();
process.exit();
