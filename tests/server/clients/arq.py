import asyncio

from arq import create_pool
from tasks import settings
from worker import run


async def main() -> None:
    pool = await create_pool(settings)
    job = await pool.enqueue_job("add", 40, 2)
    await asyncio.to_thread(run, "--burst")
    assert await job.result(timeout=30) == 42


asyncio.run(main())
