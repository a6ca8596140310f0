// A worker of BullMQ whose job never ends. Reads {"package", "host", "port"} from standard input, adds three jobs, and
// prints a line once the first is taken.
'use strict';
const { readFileSync } = require('node:fs');

const { package: name, host, port } = JSON.parse(readFileSync(0, 'utf8'));
const { Queue, Worker } = require(name);
const connection = { host, port, maxRetriesPerRequest: null };

async function main() {
  new Worker('email', () => {
    console.log('taken');
    return new Promise(() => {});
  }, { connection, stalledInterval: 1000 });
  await new Queue('email', { connection }).addBulk([1, 2, 3].map((n) => ({ name: 'job', data: { n } })));
}

main();
