import assert from "node:assert/strict";

assert.equal(typeof sessions, "function");
await store.set("id", { cookie: {}, user: "somebody" });
assert.equal((await store.get("id")).user, "somebody");
assert.deepEqual(await store.ids(), ["id"]);
await store.clear();
assert.equal(await store.length(), 0);
process.exit();
