import assert from "node:assert/strict";

queue.process(async (job) => job.data.n * 2);
assert.equal(await (await queue.add({ n: 21 })).finished(), 42);
await queue.add({ n: 1 }, { delay: 60000 });
await assert.rejects(queue.empty(), /NOPERM|EXECABORT/);
assert.equal(await queue.count(), 1);
await queue.obliterate({ force: true });
assert.equal(await queue.count(), 0);
await queue.pause();
const { timestamp } = await queue.add({ n: 1 });
while (Date.now() <= timestamp + 1) await new Promise(setImmediate); // clean(0) takes what is older than this moment
assert.equal((await queue.clean(0, "paused")).length, 1);
assert.equal(await queue.count(), 0);
process.exit();
