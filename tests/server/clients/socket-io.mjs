import assert from "node:assert/strict";

const other = new Server({ adapter: createAdapter(publisher, publisher.duplicate()) });
const heard = new Promise((resolve) => other.on("hello", resolve));
const again = setInterval(() => io.serverSideEmit("hello", "from one server to the other"), 50);
assert.equal(await heard, "from one server to the other");
clearInterval(again);
assert.deepEqual(await io.fetchSockets(), []);
process.exit();
