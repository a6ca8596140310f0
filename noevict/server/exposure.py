"""Ways into a server that should not be there, and what a server reports to be wrong with itself. Pure."""

from collections.abc import Iterable, Iterator

from noevict.machine.found import Listener
from noevict.server.live import Live, Reach


def ways_in(
    live: Live, listeners: Iterable[Listener], *, title: str, host: str, port: int, plaintext_port: int
) -> Iterator[str]:
    """Yield a line for each way in that should not be there, or is not as it should be.

    ``listeners``: the listening sockets of its machine. ``host``: what clients call the server. ``port``: the one for
    TLS; ``plaintext_port``: 0 if there should be none.
    """
    if live.open:
        yield f"port {live.port}: answers without a password"
    if live.reach is not Reach.TLS:
        yield f"TLS on port {port}: should answer, {title} {live.reach.value} {live.why}"
    elif live.untrusted:
        yield f"the certificate is not accepted for {host}: {live.untrusted}"
    for listener in listeners:
        if not listener.ours:
            continue
        if listener.port not in (port, plaintext_port):
            yield f"port {listener.port}: should be closed, {title} listens on {listener.address}"
        if listener.plaintext and listener.port != plaintext_port:
            yield f"port {listener.port}: should be TLS only, answers without it"
        if listener.answer.startswith("answer +"):
            yield f"port {listener.port}: answers without a password"


def failed_writes(live: Live) -> Iterator[str]:
    """Yield what the server reports of its own persistence, if it is not ok."""
    for name in ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"):
        if live.info.get(name, "ok") != "ok":
            yield f"{name}: should be ok, is {live.info[name]}"
