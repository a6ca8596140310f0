"""What should be in redis.conf, and its text.

CONFIG REWRITE of every supported server leaves the text byte for byte as it is.
"""

from collections.abc import Mapping
from typing import Protocol

from noevict import templates
from noevict.directives.managed_values import FROM_SETTINGS, NOEVICT_DEFAULTS
from noevict.directives.table import Directive, defaults, find, problem
from noevict.directives.values import canonical, written
from noevict.engines.engine import Server
from noevict.engines.package_layout import Layout
from noevict.errors import NoevictError


class ServerSettings(Protocol):
    """The settings of a host that this module needs."""

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


# Directives that may have several lines in the file, or none.
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
    """Return everything in redis.conf: directive (as this server writes it) → canonical value.

    ``maxmemory`` is in bytes; ``bind`` are redis.conf's words for addresses; ``systemd``: whether it runs the server
    (else the init script does). Raise NoevictError, with a line for each directive of redis_config that this server
    does not take.
    """
    asked = settings.redis_config
    found = {name: problem(name, value, server) for name, value in asked.items()}
    if any(found.values()):
        raise NoevictError(
            *(f"redis_config: {name}: should be {should}" for name, should in found.items() if should)
        )
    by_name: dict[str, object] = {
        **NOEVICT_DEFAULTS,
        **{name: getattr(settings, setting) for name, setting in FROM_SETTINGS.items()},
        **_fixed(layout, systemd=systemd),
        "maxmemory": maxmemory,
        "bind": " ".join(bind),
        **{_directive(name).name: value for name, value in asked.items()},
    }
    return {_directive(name).name_on(server): canonical(name, value) for name, value in by_name.items()}


def _fixed(layout: Layout, *, systemd: bool) -> dict[str, object]:
    """Return the directives that redis_config cannot change."""
    return {
        "protected-mode": True,
        "tls-cert-file": f"{layout.tls}/server.crt",
        "tls-key-file": f"{layout.tls}/server.key",
        "tls-ca-cert-file": f"{layout.tls}/ca.crt",
        "aclfile": layout.aclfile,
        # the packages' units pass this on the command line, and their init scripts expect it
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
    wanted: Mapping[str, str], server: Server, probed_defaults: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return what CONFIG GET * should report: the wanted values, and the server's defaults for all other directives.

    ``probed_defaults`` are the defaults of a release that was not measured (``table.portable`` of its CONFIG GET *).
    Without any, only the wanted values are known.
    """
    return {**(probed_defaults or defaults(server) or {}), **wanted}


def render(wanted: Mapping[str, str], server: Server, layout: Layout) -> str:
    """Return the text of redis.conf (templates/redis.conf.j2), in the form that this server's CONFIG REWRITE writes."""
    lines = {name: written(name, value, server) for name, value in wanted.items()}
    # the directives that the template names; all others come from redis_config
    named = {*NOEVICT_DEFAULTS, *FROM_SETTINGS, *_fixed(layout, systemd=True), "maxmemory", "bind"}
    return templates.render(
        "redis.conf",
        title=layout.title,
        extras=[f"{name} {line}" for name in sorted(lines.keys() - named) for line in lines[name]],
        **{name.replace("-", "_"): lines[name] if name in _LINES else lines[name][0] for name in named},
    )
