"""Every directive of a server changed by hand: live, in its redis.conf, and where only a start reads it."""

import functools
from collections.abc import Iterator, Sequence

from noevict.directives.kinds import Memory
from noevict.directives.table import Measured, find, table
from noevict.engines.engine import Server
from noevict.engines.package_layout import LAYOUTS
from noevict.redisconf import render as conf
from noevict.redisconf.parser import parse
from noevict.settings.model import build_settings
from tests.server.directive_values import edges

# Changed only by other drifts, or not at all.
NOT_LIVE = {
    "requirepass": "changes the user default too",
    "activedefrag": "Debian's servers are built without it",
    "rdma-bind": "the module is not loaded",
    "rdma-port": "the module is not loaded",
    "tls-dh-params-file": "there is no such file",
    "unixsocketgroup": "there is no unix socket",
    **dict.fromkeys(("tls-cert-file", "tls-key-file", "tls-ca-cert-file"), "together: TOGETHER"),
    **dict.fromkeys(("tls-client-cert-file", "tls-client-key-file"), "together: TOGETHER"),
    **dict.fromkeys(("bind", "tls-port"), "last: the way in changes with them"),
}
# A server takes these only in one CONFIG SET.
TOGETHER = (
    "tls-cert-file ETC/mine/server.crt tls-key-file ETC/mine/server.key tls-ca-cert-file ETC/mine/ca.crt",
    "tls-client-cert-file ETC/mine/server.crt tls-client-key-file ETC/mine/server.key",
)
LAST = "bind * tls-port 6390"
CHOSEN = {
    "save": "900 1",
    "port": "6380",
    "timeout": "3600",
    "tls-auth-clients": "optional",
    "tls-ca-cert-dir": "/etc/ssl/certs",
    "cluster-announce-ip": "10.1.2.3",
    "cluster-announce-hostname": "other.example.com",
    "cluster-announce-human-nodename": "other",
    "cluster-announce-client-ipv4": "10.1.2.3",
    "cluster-announce-client-ipv6": "fd00::3",
}
# What only a start reads, and a server starts with. Of the others dir and its like are refused (keys would not be
# found), the unit's command line wins over the file, and its SystemCallFilter kills a server with others.
AT_START = {
    "databases": "32",
    "tcp-backlog": "128",
    "io-threads": "2",
    "io-threads-do-reads": "yes",
    "rdbchecksum": "no",
    "set-proc-title": "no",
    "always-show-logo": "yes",
    "disable-thp": "no",
    "syslog-enabled": "yes",
    "syslog-facility": "local1",
    "syslog-ident": "mine",
    "unixsocket": "/run/ENGINE/mine",
    "unixsocketperm": "700",
    "enable-debug-command": "yes",
    "enable-module-command": "local",
    "enable-protected-configs": "local",
    "logfile": "/var/log/ENGINE/mine.log",
    "pidfile": "/run/ENGINE/mine.pid",
    "cluster-config-file": "mine.conf",
    "cluster-port": "17000",
}


@functools.cache
def wanted(server: Server) -> dict[str, str]:
    """What CONFIG GET returns from a server of ours (name as it is written there), but for memory and addresses."""
    settings = build_settings("a host", {"redis_engine": server.engine})
    layout = LAYOUTS[server.engine]
    asked = conf.wanted(settings, layout, server, maxmemory=1 << 20, bind=("127.0.0.1",), systemd=True)
    return conf.wanted_live(asked, server)


def in_file(server: Server) -> tuple[str, ...]:
    """The directives that redis.conf, as shipped, has a line of."""
    settings, layout = build_settings("a host", {"redis_engine": server.engine}), LAYOUTS[server.engine]
    asked = conf.wanted(settings, layout, server, maxmemory=1 << 20, bind=("127.0.0.1",), systemd=True)
    return tuple(parse(conf.render(asked, server, layout)))


def measured(server: Server, *, live: bool) -> Iterator[tuple[str, Measured]]:
    """(its name in the table, what it is on this server)."""
    for name, directive in table().items():
        found = directive.on(server)
        if found is not None and found.live == live:
            yield name, found


def written(name: str, server: Server) -> str:
    """The name this server writes."""
    directive = find(name)
    return directive.name_on(server) if directive else name


def other_value(name: str, found: Measured, server: Server) -> str:
    """One that is not as wanted."""
    values: Sequence[str] = (CHOSEN[name],) if name in CHOSEN else edges(name, found.kind)
    if isinstance(found.kind, Memory) and name not in CHOSEN:
        values = [str(found.kind.low + size) for size in (64 << 20, 65 << 20)]
    should = wanted(server).get(written(name, server), "")
    return next(value for value in values if found.kind.canonical(value) != should)


def all_live(server: Server) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(by hand, reported): each directive that CONFIG SET changes, changed."""
    values = {
        name: other_value(name, found, server)
        for name, found in measured(server, live=True)
        if name not in NOT_LIVE
    }
    last = (*TOGETHER, LAST)
    commands = (
        "cp -a ETC/tls ETC/mine",
        *(f'redis: CONFIG SET {name} "{value}"' for name, value in values.items()),
        *(f"redis: CONFIG SET {words}" for words in last),
    )
    reported = (*values, *(name for words in last for name in words.split()[::2]))
    return commands, tuple(written(name, server) for name in reported)


def all_at_start(server: Server) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(by hand, reported): in the file, and the server restarted with them."""
    names = [name for name, _ in measured(server, live=False) if name in AT_START]
    lines = [f"{written(name, server)} {AT_START[name]}" for name in names]
    drop = "|".join(line.split()[0] for line in lines)
    commands = (
        f"sed -i -E '/^({drop}) /d' CONF",
        *(f"echo '{line}' >>CONF" for line in lines),
        "systemctl restart UNIT",
    )
    reported = [
        reported for name in names for reported in (f"CONF: {written(name, server)}", written(name, server))
    ]
    return commands, tuple(reported)


def all_lines(server: Server) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(by hand, reported): every line of the file changed, and one added for each directive that has none."""
    there = in_file(server)
    only_at_start = {"rename-command", "loadmodule"}  # have drifts of their own
    added = sorted({*table(), "a-new-one"} - set(there) - only_at_start)
    commands = (
        "sed -i -E 's/^([a-z][a-z-]*) .*/\\1 changed/' CONF",
        *(f"echo '{name} mine' >>CONF" for name in added),
    )
    return commands, tuple(f"CONF: {written(name, server)}" for name in (*there, *added))
