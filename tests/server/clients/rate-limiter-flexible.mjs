import assert from "node:assert/strict";

await limiter.consume("somebody");
assert.equal((await limiter.consume("somebody")).remainingPoints, 0);
await assert.rejects(limiter.consume("somebody"), (refused) => refused.msBeforeNext > 0);
process.exit();
