// A day's work of BullMQ. Reads {"package", "host", "port", "ca", "username", "password"} from standard input and
// prints what it counted as one line of JSON; anything else it prints is a warning of BullMQ or Node.
'use strict';
const { readFileSync } = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');

const { package: name, host, port, ca, username, password } = JSON.parse(readFileSync(0, 'utf8'));
const { FlowProducer, Queue, QueueEvents, Worker } = require(name);
const connection = { host, port, username, password, tls: { ca: readFileSync(ca) }, maxRetriesPerRequest: null };
const JOBS = 500;

async function until(what, look) {
  const deadline = Date.now() + 30000;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
    await sleep(20);
  }
}

async function addJobs(queue) {
  const plain = (count, opts) => Array.from({ length: count }, (_, n) => ({ name: 'plain', data: { n }, opts }));
  await queue.addBulk([
    ...plain(300),
    ...plain(50, { priority: 5 }),
    ...plain(50, { delay: 300 }),
    ...plain(40, { lifo: true }),
    ...plain(46, { attempts: 3, backoff: { type: 'exponential', delay: 10 } }),
    ...plain(10, { removeOnComplete: { age: 3600, count: 1000 }, removeOnFail: true }),
  ]);
  await new FlowProducer({ connection }).add({
    name: 'parent', queueName: queue.name, children: [1, 2].map((n) => ({ name: 'child', data: { n }, queueName: queue.name })),
  });
  const changed = await queue.add('changed', {}, { delay: 60000, deduplication: { id: 'once' } });
  await changed.updateData({ changed: true });
  await changed.promote();
}

async function main() {
  const queue = new Queue('work', { connection });
  const events = new QueueEvents('work', { connection });
  await events.waitUntilReady();
  const completed = new Set();
  events.on('completed', ({ jobId }) => completed.add(jobId));
  const worker = new Worker('work', async (job) => {
    if (job.opts.attempts > job.attemptsMade + 1 && job.data.n % 2) throw new Error('again');
    await job.updateProgress(50);
    await job.log('half');
    return job.name;
  }, { connection, concurrency: 25, limiter: { max: 400, duration: 100 }, metrics: { maxDataPoints: 60 } });
  const errors = [];
  for (const each of [queue, events, worker]) each.on('error', (error) => errors.push(String(error)));

  await addJobs(queue);
  await until(`${JOBS} jobs are done`, () => completed.size >= JOBS);
  const counts = await queue.getJobCounts();

  await queue.upsertJobScheduler('tick', { every: 200 }, { name: 'tick' });
  await until('a repeated job ran three times', () => completed.size >= JOBS + 3);
  const schedulers = await queue.getJobSchedulersCount();
  await queue.removeJobScheduler('tick');

  await queue.pause();
  const before = completed.size;
  const late = await queue.add('late', {});
  const paused = await queue.isPaused();
  await queue.resume();
  await late.waitUntilFinished(events, 30000);
  await until('the late job is reported', () => completed.has(late.id));

  const workers = (await queue.getWorkers()).length;
  const metrics = (await queue.getMetrics('completed')).meta.count;
  await queue.retryJobs({ state: 'failed' });
  const failed = await queue.getFailedCount();
  const cleaned = (await queue.clean(0, 1000, 'completed')).length;
  await queue.trimEvents(10);

  const scratch = new Queue('scratch', { connection });
  await scratch.addBulk([{ name: 'a', data: {} }, { name: 'b', data: {}, opts: { delay: 1000 } }]);
  await scratch.promoteJobs();
  await scratch.drain(true);
  await scratch.add('c', {});
  await scratch.obliterate({ force: true });
  const left = await scratch.getJobCountByTypes('wait', 'delayed', 'completed');

  await Promise.all([worker, events, queue, scratch].map((each) => each.close()));
  console.log(JSON.stringify({
    done: counts.completed, repeated: before - JOBS >= 3, schedulers, paused, workers, metrics: metrics >= JOBS, failed,
    cleaned: cleaned > JOBS, left, errors,
  }));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
