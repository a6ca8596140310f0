"""Asks one host again and again, over connections that stay open. Each time gives a Poll, whatever happens."""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

from noevict import queues
from noevict.client.resp import Garbage
from noevict.errors import NoevictError
from noevict.fleet.access import Access
from noevict.fleet.endpoint import EXPORTER, HEALTH, Endpoint
from noevict.messages import one_line
from noevict.monitor.asking.dial import Dial, Resolver, Turns
from noevict.monitor.asking.reasons import SECONDS, ShutOut, reason
from noevict.monitor.asking.wire import Connection, RefusedCommand
from noevict.monitor.health.health import SECTIONS, Poll, parse_info, parse_refusals

# An open connection sees neither a new certificate nor a changed password: it is replaced this often, as clients do.
RENEW_SECONDS = 60.0
# Errors that a server replies to PING although it can be asked further: INFO has the details.
ANSWERS = {"LOADING", "MISCONF"}  # MISCONF: a save or an AOF write failed, and no client may write
# Queue -> state -> jobs, and queue -> whether a worker has left its mark; None if not known.
Queues = tuple[Mapping[str, Mapping[str, int]] | None, Mapping[str, bool] | None]
UNKNOWN: Queues = (None, None)
_REPLY_LENGTH = 100  # characters shown of a reply that was not expected
FAILURES = (OSError, RefusedCommand, Garbage, NoevictError)


class Session:
    """One user's connection to a host. It is opened when it is needed, and again when it is lost or old."""

    def __init__(self, endpoint: Endpoint, user: str, access: Access, dial: Dial) -> None:
        self.user = user
        self._endpoint, self._access, self._dial = endpoint, access, dial
        self._connection: Connection | None = None
        self._made = 0.0
        self._taken = ""  # the password that the server accepted last

    @property
    def connects(self) -> bool:
        """Whether the next command needs a new connection."""
        return self._connection is None or time.monotonic() - self._made > RENEW_SECONDS

    @property
    def certificate_ends(self) -> datetime | None:
        """When the certificate that the server presented ends."""
        return self._connection.certificate_ends if self._connection else None

    async def ask(self, *commands: Sequence[str]) -> list[str | int | RefusedCommand]:
        """Send commands and return the replies. A lost connection is opened again first. Raise one of FAILURES."""
        new = self.connects
        if new:
            await self._open()
        try:
            return await self._asked(commands)
        except OSError:
            if new:
                raise
        await self._open()
        return await self._asked(commands)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _asked(self, commands: Sequence[Sequence[str]]) -> list[str | int | RefusedCommand]:
        connection = self._connection
        assert connection is not None  # noqa: S101 - opened before
        try:
            return await connection.ask(*commands)
        except BaseException:  # a timeout too: the reply to this command would be taken for the next one's
            self.close()
            raise

    async def _open(self) -> None:
        """Open a connection, and replace the old one only once it is logged in."""
        self._made = time.monotonic()
        try:
            try:
                connection = await self._logged_in()
            except (RefusedCommand, ssl.SSLError):
                if not self._access.refresh():
                    raise
                connection = await self._logged_in()
        except BaseException:
            self.close()
            raise
        self.close()
        self._connection = connection

    async def _logged_in(self) -> Connection:
        context = self._access.context(self._endpoint, datetime.now(UTC))
        connection = await self._dial.connect(context)
        try:
            await self._login(connection)
        except ConnectionError as error:
            connection.close()
            # With TLS 1.3 a client has done its part before the server looks for its certificate.
            raise ShutOut from error
        except BaseException:
            connection.close()
            raise
        return connection

    async def _login(self, connection: Connection) -> None:
        """Log in, with the password accepted last time first. Raise Refused with the reply to the last one tried."""
        passwords = self._access.passwords(self.user, self._endpoint.name)
        for password in sorted(passwords, key=lambda each: each != self._taken):
            try:
                await connection.login(self.user, password)
            except RefusedCommand as error:
                if error.code != "WRONGPASS":
                    raise
                refusal = error
            else:
                self._taken = password
                return
        raise refusal


class Asker:
    """Asks one host. ``turns``: when it may be connected to."""

    def __init__(self, endpoint: Endpoint, access: Access, resolver: Resolver, turns: Turns) -> None:
        self.endpoint = endpoint
        dial = Dial(endpoint.host, endpoint.port, resolver)
        self._turns = turns
        self._health = Session(endpoint, HEALTH, access, dial)
        # A connection as another user: `exporter` may read queues, `health` may not.
        self._exporter = Session(endpoint, EXPORTER, access, dial) if endpoint.queues else None

    async def poll(self) -> Poll:
        """Ask now. This takes SECONDS at most, once it is this host's turn to connect."""
        health, lengths = await asyncio.gather(self._ask_health(), self._ask_queues())
        (counts, workers), queues_failure = lengths
        return replace(
            health,
            at=datetime.now(UTC),
            certificate_ends=self._health.certificate_ends,
            queues=counts,
            queues_failure=queues_failure,
            workers=workers,
        )

    def close(self) -> None:
        self._health.close()
        if self._exporter is not None:
            self._exporter.close()

    async def _ask_health(self) -> Poll:
        """Return what PING and INFO answer."""
        try:
            # errorstats is a reply of its own: Redis 7.0 does not bound it, and a reply that is too long is dropped.
            began, (ping, info, errors) = await self._answers(
                self._health, ("PING",), ("INFO", *SECTIONS), ("INFO", "errorstats")
            )
        except FAILURES as error:
            stopped = isinstance(error, ConnectionRefusedError)
            return Poll(datetime.now(UTC), failure=reason(error, self._health.user), stopped=stopped)
        seconds = time.monotonic() - began
        for answer in (info, ping):
            if isinstance(answer, RefusedCommand) and answer.code not in ANSWERS:
                return Poll(datetime.now(UTC), failure=reason(answer, self._health.user))
        refusals = {} if isinstance(errors, RefusedCommand) else parse_refusals(str(errors))
        misconf = isinstance(ping, RefusedCommand) and ping.code == "MISCONF"
        found = {**parse_info(str(info)), **refusals}
        return Poll(datetime.now(UTC), found, seconds, misconf=misconf)

    async def _ask_queues(self) -> tuple[Queues, str | None]:
        if self._exporter is None:
            return UNKNOWN, None
        kinds = {**queues.STATES, queues.WORKERS: queues.WORKERS_ASKED}
        asked = [(queue, kind) for queue in self.endpoint.queues for kind in kinds]
        commands = [(kinds[kind], queues.key(queue, kind)) for queue, kind in asked]
        try:
            _, answers = await self._answers(self._exporter, *commands)
        except FAILURES as error:
            return UNKNOWN, reason(error, self._exporter.user)
        counts: dict[str, dict[str, int]] = {queue: {} for queue in self.endpoint.queues}
        for (queue, kind), answer in zip(asked, answers, strict=True):
            if not isinstance(answer, int):
                return UNKNOWN, f"{queues.key(queue, kind)}: {one_line(str(answer)[:_REPLY_LENGTH])}"
            counts[queue][kind] = answer
        workers = {queue: count.pop(queues.WORKERS) > 0 for queue, count in counts.items()}
        return (counts, workers), None

    async def _answers(
        self, session: Session, *commands: Sequence[str]
    ) -> tuple[float, list[str | int | RefusedCommand]]:
        """Return when the commands were sent, and the replies."""
        async with self._turns.turn() if session.connects else nullcontext():
            async with asyncio.timeout(SECONDS):
                if session.connects:
                    await session.ask(("PING",))  # connecting is not part of the latency
                began = time.monotonic()
                return began, await session.ask(*commands)
