import assert from "node:assert/strict";

const other = new Server({ adapter: createAdapter(publisher, publisher.duplicate()) });
const said = new Promise((resolve) => other.on("hello", resolve));
const again = setInterval(() => io.serverSideEmit("hello", "from one server to the other"), 50);
assert.equal(await said, "from one server to the other");
clearInterval(again);
assert.deepEqual(await io.fetchSockets(), []);
process.exit();
