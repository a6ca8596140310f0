import assert from "node:assert/strict";
import { Worker } from "bullmq";

const worker = new Worker(queue.name, async (job) => job.data.to, { connection });
const to = await new Promise((resolve) => worker.on("completed", (_, result) => resolve(result)));
assert.equal(to, "you@example.com");
process.exit();
