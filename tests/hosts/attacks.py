"""Kinds of runs, and what an attacker does beside them; `python -m tests.hosts.attacks CHECKOUT [NAME...]` prints what
it wins against another checkout of noevict, such as one of an older commit."""

import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from noevict.engines.engine import EngineName
from tests.hosts.attack_monitor import MARK, Attack, clear
from tests.hosts.deployment import DEPLOY, admin, is_idle, wait_for
from tests.hosts.exporter_checks import MONITOR
from tests.hosts.manual_changes import apply_changes, fill, install_foreign, plaintext_client
from tests.lab.checkout import REPOSITORY, Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.lab.lab import Lab

SECONDS = 400  # a look has 60, and each host its own
# From a Redis 8 to Valkey, which reads commands only.
SETTINGS: dict[str, Any] = {"redis_config": {"aof-use-rdb-preamble": False}}
VALKEY = {**SETTINGS, "redis_engine": "valkey"}
KEYS = 200
# 80 % of what a forged look says there is.
FORGED = re.compile(
    r"78124mb|(?m:server\.crt.*(neighbour\.example|10\.254\.254))|took longer than|not done after"
)


@dataclass
class Stage:
    """Hosts that one command reaches."""

    checkout: Checkout
    hosts: list[Host]
    settings: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))

    @property
    def engine(self) -> EngineName:
        name: EngineName = self.settings.get("redis_engine", "redis")
        return name

    def list_hosts(self, **more: Any) -> None:
        self.checkout.list_hosts(self.hosts, **{**self.settings, **more})

    def manual_changes(self, *commands: str) -> None:
        for host in self.hosts:
            apply_changes(self.checkout, host, commands, self.engine)


def nothing(stage: Stage) -> None:
    stage.list_hosts()


def drifted(*commands: str) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.list_hosts()
        stage.manual_changes(*commands)

    return prepare


def without_package(stage: Stage) -> None:
    """Somebody removed the package of an earlier server and left the rest, its user's processes too."""
    stage.list_hosts()
    stage.manual_changes(
        "useradd --system --no-create-home --user-group --home-dir DATA --shell /usr/sbin/nologin ENGINE",
        "install -d -o ENGINE -g ENGINE -m 2770 ETC",
        "install -d -o ENGINE -g ENGINE -m 750 DATA /var/log/ENGINE",
        "install -o ENGINE -g ENGINE -m 640 /dev/null ETC/users.acl",
    )


def foreign(stage: Stage) -> None:
    stage.settings["redis_takeover"] = True
    stage.list_hosts()
    for host in stage.hosts:
        install_foreign(host, "appendonly yes", "hz 33")
        with plaintext_client(host) as client:
            fill(client, KEYS)


def restart_due(stage: Stage) -> None:
    stage.settings["redis_config"] = {**stage.settings["redis_config"], "databases": 32}
    stage.list_hosts()


def engine_due(stage: Stage) -> None:
    for host in stage.hosts:
        # Somebody has long become the new server's user as well.
        host.run("true")
    stage.list_hosts(**VALKEY)


@dataclass(frozen=True)
class Kind:
    """``prepare`` leaves hosts for which ``command`` has that to do."""

    prepare: Callable[[Stage], None] = nothing
    command: tuple[str, ...] = DEPLOY
    installs: bool = False


KINDS = {
    "first provisioning": Kind(without_package, installs=True),
    "a line of drift": Kind(drifted("sed -i 's/^maxmemory .*/maxmemory 1gb/' CONF")),
    "owners and modes": Kind(
        drifted("chmod 644 ETC/users.acl CONF", "chmod 755 DATA", "chown root DATA/appendonlydir")
    ),
    "certificate": Kind(drifted("rm -f ETC/tls/server.crt")),
    "users": Kind(drifted("redis: ACL SETUSER app +@all", "echo >>ETC/users.acl")),
    "restart": Kind(restart_due),
    "verification": Kind(command=("pyinfra", "-y", "inventory", "deploys/verify.py")),
    "drift": Kind(command=("noevict", "drift")),
    "monitoring": Kind(command=MONITOR, installs=True),
    "engine change": Kind(engine_due, installs=True),
    "uninstall": Kind(command=("pyinfra", "-y", "inventory", "deploys/uninstall.py")),
    "take-over": Kind(foreign, installs=True),
}


@dataclass(frozen=True)
class Kit:
    roles: tuple[str, ...]
    inside: bool = False


KITS = {
    "configuration": Kit(("conf", "acl", "tls", "key", "shipped", "before", "reader"), inside=True),
    "data": Kit(
        ("shipped is a file to be", "rdb", "aof", "manifest", "log", "pid", "names", "watch", "reader")
    ),
    "helpers": Kit(("helpers", "watch", "watch", "watch", "reader")),
    "planted": Kit(
        (
            "shipped is a directory of root's",
            "log is a link",
            "links among the data",
            "tls between",
            "reader",
        ),
        inside=True,
    ),
}


# If no server is installed yet, data is a reason to do nothing; a server that starts without its files is one that
# the attacker has stopped.
STOPS_THE_SERVER = {"aof", "manifest", "names", "fifos", "log", "log is a link", "pid"}
LEFT_OUT = {
    "first provisioning": {"rdb", "links among the data", "fifos", "huge files"},
    "restart": STOPS_THE_SERVER,
    "engine change": STOPS_THE_SERVER,
    "take-over": STOPS_THE_SERVER,
}
# One on each of the hosts that are gone through all kinds of runs.
RARE = {
    "pipes": Kit(("fifos", "watch", "reader")),
    "more pipes": Kit(("more fifos", "reader"), inside=True),
    "huge files": Kit(("huge files", "reader")),
    "a link for redis.conf": Kit(("conf is a link", "names", "reader"), inside=True),
    "a trap for tls": Kit(("tls is a trap", "log", "reader")),
    "everything": Kit(
        (
            "conf",
            "acl",
            "tls",
            "key",
            "shipped",
            "rdb",
            "aof",
            "manifest",
            "log",
            "names",
            "helpers",
            "watch",
            "reader",
        )
    ),
}


def attack(stage: Stage, kind: Kind, kits: Sequence[Kit]) -> tuple[Result, list[list[str]]]:
    """The command, each host with its kit beside it. What it printed, and what was won on each host."""
    kind.prepare(stage)
    bare, name = kind.prepare is without_package, next(name for name, each in KINDS.items() if each is kind)
    attacks = [
        Attack(
            host,
            stage.engine,
            [role for role in kit.roles if role not in LEFT_OUT.get(name, ())],
            kit.inside and not bare,
            kind.installs,
        )
        for host, kit in zip(stage.hosts, kits, strict=True)
    ]
    with ExitStack() as stack:
        for each in attacks:
            stack.enter_context(each.beside())
        done = stage.checkout.run(*kind.command, timeout=SECONDS)
    if kind.prepare is engine_due:
        stage.settings["redis_engine"] = "valkey"
    return done, [[*each.won, *reported(done, each.host)] for each in attacks]


def reported(done: Result, host: Host) -> list[str]:
    """What its own output shows of a forged look, of root's files, or of names that a terminal obeys."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.output)
    won = []
    for line in text.splitlines():
        if host.name in line or "[" not in line:
            if MARK in line:
                won.append(f"the run shows root's secret: {line.strip()!a}")
            if FORGED.search(line):
                won.append(f"the run was misled: {line.strip()!a}")
            if not line.replace("\t", " ").isprintable():
                won.append(f"a terminal obeys {line!a}")
    if "Traceback" in text:
        won.append(f"a traceback: {text[text.index('Traceback') :][-600:]}")
    return won


def heal(stage: Stage) -> None:
    """What was moved or planted goes, as an admin would do it, and the next run repairs the rest.

    A server that its attacker had stopped may just be coming back by itself: then the run says "run again". One that
    could not write to its directory before this run says that its last rewrite failed: make it do so again.
    """
    for host in stage.hosts:
        clear(host)
    stage.list_hosts()
    for _ in range(3):
        for host in stage.hosts:
            # Of a server that runs on, what it wrote into a trap is in its memory still.
            with suppress(redis.RedisError, AssertionError), admin(stage.checkout, host) as client:
                client.bgrewriteaof()
                wait_for("files rewritten", lambda client=client: is_idle(client))
        done = stage.checkout.run(*DEPLOY)
        if not re.search("run again|aof_last_bgrewrite_status: should be ok", done.output):
            break
    assert done.returncode == 0, done


# --- against another checkout ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """What is known to be won on the commit before this was mended: so many ``rounds``, until it is."""

    kind: str
    kit: Kit
    rounds: int = 1
    by: str = ""  # what of it counts


KNOWN = {
    "A.1": Known("a line of drift", Kit(("watch",) * 4 + ("reader",)), 10),
    "A.2": Known("certificate", Kit(("tls between", "reader"), inside=True), 3),
    "A.3": Known("engine change", Kit(("links among the data", "reader"))),
    "A.4": Known("take-over", Kit(("shipped is a directory of root's", "reader"))),
    "A.5": Known("uninstall", Kit(("conf is a link", "reader"))),
    "A.6": Known("drift", Kit(("names",)), 3),
    "A.7": Known("verification", Kit(("fifos",))),
}


def play(lab: Lab, checkout: Checkout, known: Known) -> list[str]:
    """On a host of its own. What was won."""
    kind = KINDS[known.kind]
    won: list[str] = []
    [host] = lab.boot(Spec("trixie", name=re.sub(r"\W+", "-", known.kind)))
    stage = Stage(checkout, [host])
    try:
        if known.kind != "take-over":
            stage.list_hosts()
            done = checkout.run(*DEPLOY)
            assert done.returncode == 0, done
            with admin(checkout, host) as client:
                fill(client, KEYS)
        for _ in range(known.rounds):
            done, [won] = attack(stage, kind, [known.kit])
            won = [line for line in won if known.by in line]
            if won:
                break
            print(done, file=sys.stderr)
    finally:
        lab.remove([host])
    return won


def main(repository: Path, names: Iterable[str]) -> None:
    for name in names:
        with tempfile.TemporaryDirectory() as directory, Lab() as lab:
            checkout = Checkout(Path(directory), repository=repository)
            won = play(lab, checkout, KNOWN[name])
        print(f"{name}: {KNOWN[name].kind}: {'won' if won else 'nothing won'}", flush=True)
        for line in won:
            print(f"    {line}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY, sys.argv[2:] or KNOWN)
