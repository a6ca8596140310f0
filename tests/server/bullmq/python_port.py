"""A day's work of BullMQ's Python port, run in its own environment; talks as work.cjs does."""

import asyncio
import json
import sys
import time
from typing import Any

from bullmq import Queue, Worker

JOBS = 200


async def until(what: str, look: Any) -> None:
    deadline = time.monotonic() + 30
    while not await look():
        assert time.monotonic() < deadline, f"not within 30 s: {what}"
        await asyncio.sleep(0.02)


async def main() -> dict[str, Any]:
    reported = json.load(sys.stdin)
    connection = {key: reported[key] for key in ("host", "port", "username", "password")}
    connection |= {"ssl": True, "ssl_ca_certs": reported["ca"]}
    queue = Queue("port", {"connection": connection})
    errors: list[str] = []

    async def process(job: Any, _token: str) -> str:
        await job.updateProgress(50)
        await job.log("half")
        return str(job.name)

    await queue.addBulk([{"name": "plain", "data": {"n": n}, "opts": {}} for n in range(JOBS - 20)])
    for n in range(20):
        await queue.add("later", {"n": n}, {"delay": 100} if n % 2 else {"priority": 3})
    worker = Worker("port", process, {"connection": connection, "concurrency": 10})
    worker.on("error", lambda error, *_rest: errors.append(str(error)))
    await until(f"{JOBS} jobs are done", lambda: _reached(queue, JOBS))
    done = await queue.getCompletedCount()
    await queue.pause()
    paused = await queue.isPaused()
    await queue.add("late", {})
    await queue.resume()
    await until("the late job is done", lambda: _reached(queue, JOBS + 1))
    counts = await queue.getJobCounts()
    workers = len(await queue.get_workers()) > 0  # the port names every connection of its pool
    cleaned = len(await queue.clean(0, 1000, "completed"))
    await worker.close()
    await queue.add("scratch", {})
    await queue.drain()
    await queue.obliterate(force=True)
    left = await queue.getJobCountByTypes("wait", "completed")
    await queue.close()
    return {
        "done": done, "paused": paused, "failed": counts["failed"], "workers": workers, "cleaned": cleaned,
        "left": left, "errors": errors,
    }  # fmt: skip


async def _reached(queue: Queue, jobs: int) -> bool:
    return bool(await queue.getCompletedCount() >= jobs)


print(json.dumps(asyncio.run(main())))
