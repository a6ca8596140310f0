"""A server with the redis.conf that noevict renders, in a test's own directory instead of /etc and /var."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from noevict.engines.engine import EngineName
from noevict.engines.package_layout import LAYOUTS, Layout
from noevict.redisconf import diff as conf_diff
from noevict.redisconf import render as conf
from tests.lab.servers import Binary, Running, free_port
from tests.server.conftest import StartServer

MAXMEMORY = 1600 * 1024**2
LOOPBACK = ("127.0.0.1", "-::1")
PASSWORD = "open-sesame"
USERS = f"user default on >{PASSWORD} ~* &* +@all\n"


def layout_at(engine: EngineName, root: Path) -> Layout:
    """One whose files all lie under ``root``."""
    return replace(
        LAYOUTS[engine],
        etc=str(root),
        conf=str(root / f"{engine}.conf"),
        data=str(root / "data"),
        logfile=str(root / "log"),
        pidfile=str(root / "pid"),
    )


@dataclass(frozen=True)
class Settings:
    """The settings conf.py reads, with the defaults of group_data/all.py."""

    redis_port: int = field(default_factory=free_port)
    redis_plaintext_port: int = 0
    redis_maxmemory_policy: str = "noeviction"
    redis_save: str = "3600 1 300 100 60 10000"
    redis_appendonly: bool = True
    redis_appendfsync: str = "everysec"
    redis_tls_auth_clients: str = "no"
    redis_config: Mapping[str, bool | int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Managed:
    """A running server, and what was wanted of it."""

    running: Running
    layout: Layout
    settings: Settings
    wanted: dict[str, str]
    text: str

    @property
    def live(self) -> dict[str, str]:
        return conf.wanted_live(self.wanted, self.running.server)

    def differences(self) -> tuple[conf_diff.Difference, ...]:
        return conf_diff.differences(self.live, self.running.redis.config_get("*"), self.running.server)

    def rewritten(self) -> str:
        """The file after CONFIG REWRITE."""
        self.running.redis.config_rewrite()
        return self.running.conf.read_text()


def want(
    binary: Binary,
    layout: Layout,
    settings: Settings,
    *,
    systemd: bool = True,
    maxmemory: int = MAXMEMORY,
    bind: tuple[str, ...] = LOOPBACK,
) -> tuple[dict[str, str], str]:
    """What is wanted of a server, and its redis.conf."""
    wanted = conf.wanted(settings, layout, binary.server, maxmemory=maxmemory, bind=bind, systemd=systemd)
    return wanted, conf.render(wanted, binary.server, layout)


def start_managed(
    start_server: StartServer,
    binary: Binary,
    directory: Path,
    tls_files: Path,
    settings: Settings,
    **how: Any,
) -> Managed:
    """Start a server on ``directory`` (short: a path under /tmp) with what noevict renders for the settings.

    ``how`` as in ``want``.
    """
    layout = layout_at(binary.engine, directory)
    (directory / "data").mkdir(exist_ok=True)
    shutil.copytree(tls_files, layout.tls, dirs_exist_ok=True)
    Path(layout.aclfile).write_text(USERS)
    wanted, text = want(binary, layout, settings, **how)
    running = start_server(binary, text, directory=directory, client={"password": PASSWORD})
    return Managed(running, layout, settings, wanted, text)
