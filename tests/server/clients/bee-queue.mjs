import assert from "node:assert/strict";

queue.process(async (job) => job.data.n * 2);
const job = await queue.createJob({ n: 21 }).save();
assert.equal(await new Promise((resolve) => job.on("succeeded", resolve)), 42);
process.exit();
