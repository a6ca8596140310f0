"""A TCP proxy that stands for a long way: it delays what goes through, and counts the round trips it would cost."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

CHUNK = 65536


class Proxy:
    """Listens on a free port of loopback, ``port``, for as long as the block lasts, and carries to ``target``.

    ``seconds``: what a round trip takes longer. ``round_trips``: how often, over all connections, a client continued
    after an answer: the connection itself is one.
    """

    def __init__(self, target: tuple[str, int], seconds: float = 0) -> None:
        self.target, self.seconds = target, seconds
        self.port = self.round_trips = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        serve = asyncio.start_server(self._carry_both_ways, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(serve, self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    async def _carry_both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.seconds)  # TCP's own
        self.round_trips += 1
        with suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            answered = asyncio.Event()
            await asyncio.gather(
                self._carry(reader, far_writer, lambda: self._went_on(answered)),
                self._carry(far_reader, writer, answered.set),
            )

    def _went_on(self, answered: asyncio.Event) -> None:
        if answered.is_set():
            answered.clear()
            self.round_trips += 1

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: Callable[[], object]
    ) -> None:
        """Half of a round trip's delay later, in order. ``passed`` is called when something arrives here."""
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            data = b"-"
            while data:
                due, data = await under_way.get()
                await asyncio.sleep(due - loop.time())
                writer.write(data)
            writer.close()

        delivery = asyncio.create_task(deliver())
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            if data:
                passed()
            under_way.put_nowait((loop.time() + self.seconds / 2, data))
        with suppress(OSError):
            await delivery
