// The BullMQ load. The first line of standard input is the address: {"host", "port", and "ca", "username", "password" or
// none}; each further one is a phase, "add" or "work", and is answered with the seconds it took.
'use strict';
const { readFileSync } = require('node:fs');
const { createInterface } = require('node:readline');
const { Queue, Worker } = require('bullmq');

const JOBS = Number(process.argv[2]);
const AT_A_TIME = 50;

async function add(connection) {
  const queue = new Queue('load', { connection });
  await queue.waitUntilReady();
  let next = 0;
  const caller = async () => {
    while (next < JOBS) await queue.add('job', { number: next++, to: 'someone@example.com', template: 'welcome' });
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: AT_A_TIME }, caller));
  const took = performance.now() - began;
  await queue.close();
  return took;
}

async function work(connection) {
  let done = 0;
  const worker = new Worker('load', async (job) => job.data.number, { connection, concurrency: AT_A_TIME, autorun: false });
  await worker.waitUntilReady();
  const began = performance.now();
  const all = new Promise((resolve, reject) => {
    worker.on('completed', () => ++done === JOBS && resolve(performance.now() - began));
    worker.on('failed', (_job, error) => reject(error));
    worker.on('error', reject);
  });
  worker.run();
  const took = await all;
  await worker.close();
  return took;
}

async function main() {
  let connection;
  for await (const line of createInterface({ input: process.stdin })) {
    if (!connection) {
      const { ca, ...way } = JSON.parse(line);
      connection = { ...way, ...(ca && { tls: { ca: readFileSync(ca) } }), maxRetriesPerRequest: null };
      console.log('ready');
    } else {
      console.log((await { add, work }[line](connection)) / 1000);
    }
  }
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
