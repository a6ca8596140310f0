"""redis.conf: what should be in it, and its text.

The text is one that CONFIG REWRITE leaves byte for byte as it is, on every supported server.
"""

from collections.abc import Mapping
from typing import Protocol

from noevict import templates
from noevict.directives.choices import CHOICES, FROM_SETTINGS
from noevict.directives.table import Directive, defaults, find, problem
from noevict.directives.values import canonical, written
from noevict.engines.engine import Server
from noevict.engines.layout import Layout
from noevict.errors import NoevictError


class ServerSettings(Protocol):
    """What this module needs of the settings of a host."""

    @property
    def redis_port(self) -> int: ...
    @property
    def redis_plaintext_port(self) -> int: ...
    @property
    def redis_maxmemory_policy(self) -> str: ...
    @property
    def redis_save(self) -> str: ...
    @property
    def redis_appendonly(self) -> bool: ...
    @property
    def redis_appendfsync(self) -> str: ...
    @property
    def redis_tls_auth_clients(self) -> str: ...
    @property
    def redis_config(self) -> Mapping[str, bool | int | float | str]: ...


# Directives that have several lines in the file, or may have none.
_LINES = frozenset({"bind", "tls-ciphers", "client-output-buffer-limit", "save"})


def wanted(
    settings: ServerSettings,
    layout: Layout,
    server: Server,
    *,
    maxmemory: int,
    bind: tuple[str, ...],
    systemd: bool,
) -> dict[str, str]:
    """Everything redis.conf says: directive (as this server writes it) → canonical value.

    ``maxmemory`` in bytes; ``bind``: redis.conf's words for addresses; ``systemd``: whether it runs the server
    (else the init script does). Raises NoevictError, a line for each directive of redis_config that this server
    does not take.
    """
    asked = settings.redis_config
    found = {name: problem(name, value, server) for name, value in asked.items()}
    if any(found.values()):
        raise NoevictError(
            *(f"redis_config: {name}: should be {should}" for name, should in found.items() if should)
        )
    by_name: dict[str, object] = {
        **CHOICES,
        **{name: getattr(settings, setting) for name, setting in FROM_SETTINGS.items()},
        **_fixed(layout, systemd=systemd),
        "maxmemory": maxmemory,
        "bind": " ".join(bind),
        **{_directive(name).name: value for name, value in asked.items()},
    }
    return {_directive(name).name_on(server): canonical(name, value) for name, value in by_name.items()}


def _fixed(layout: Layout, *, systemd: bool) -> dict[str, object]:
    """What redis_config cannot change."""
    return {
        "protected-mode": True,
        "tls-cert-file": f"{layout.tls}/server.crt",
        "tls-key-file": f"{layout.tls}/server.key",
        "tls-ca-cert-file": f"{layout.tls}/ca.crt",
        "aclfile": layout.aclfile,
        # what the packages' unit gives on the command line, and their init script expects
        "supervised": "systemd" if systemd else "no",
        "daemonize": not systemd,
        "pidfile": layout.pidfile,
        "logfile": layout.logfile,
        "dir": layout.data,
        "dbfilename": "dump.rdb",
    }


def _directive(name: str) -> Directive:
    directive = find(name)
    if directive is None:
        raise ValueError(f"{name}: not a directive")
    return directive


def wanted_live(
    wanted: Mapping[str, str], server: Server, fresh: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What CONFIG GET * should say: the wanted values, and the server's own default for every other directive.

    ``fresh`` are the defaults where this release was not measured (``directives.portable`` of its own CONFIG
    GET *). Without any, only the wanted values are known.
    """
    return {**(fresh or defaults(server) or {}), **wanted}


def render(wanted: Mapping[str, str], server: Server, layout: Layout) -> str:
    """The text of redis.conf (templates/redis.conf.j2), in the form this server's CONFIG REWRITE writes."""
    lines = {name: written(name, value, server) for name, value in wanted.items()}
    # the lines that have a place of their own in the template; what is left comes from redis_config
    own = {*CHOICES, *FROM_SETTINGS, *_fixed(layout, systemd=True), "maxmemory", "bind"}
    return templates.render(
        "redis.conf",
        title=layout.title,
        extras=[f"{name} {line}" for name in sorted(lines.keys() - own) for line in lines[name]],
        **{name.replace("-", "_"): lines[name] if name in _LINES else lines[name][0] for name in own},
    )
