"""Injects faults into a run: at a chosen moment the run itself, or a host, is killed or stopped.

``inject_faults`` writes them down in a checkout, and adds two lines to its deploy.py, which import this module there.
Nothing of it is in the product: operations are pyinfra's own callbacks, scripts and commands to Redis are wrapped where
they are sent.
"""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gevent
from pyinfra.api.state import BaseStateCallback, State
from pyinfra.context import ctx_host
from redis.client import Pipeline

from noevict import scripts
from noevict.client.client import Client
from noevict.run.machine import MachineRun
from tests.lab.checkout import REPOSITORY, Checkout
from tests.lab.registry import kill

PLAN, ACTS = "faults.json", "actions.jsonl"
HOOK = "\nfrom tests.hosts import fault_injection\n\nfault_injection.install_hooks(state)\n"
# What only looks, and what is no change by itself: the lock, and asking for it.
LOOKS = ("look_machine", "lock", "defaults", "last_log_lines", "confirm_peer")
WRITES = ("CONFIG SET", "CONFIG REWRITE", "BGSAVE", "BGREWRITEAOF", "CLIENT KILL")
FIRST_LINES = {
    path.read_text().partition("\n")[0]: path.stem
    for path in Path(scripts.__file__).parent.glob("*.sh")
    if path.stem
    not in {
        "apt",
        "user",
        "as_user",
        "descriptors",
        "keep_names",
        "main_pid",
        "throwaway_server",
    }  # they stand before others
}


@dataclass(frozen=True)
class Fault:
    """``moment``: an operation's name, or an act's: a script ("place", "service restart"), or a command to Redis.

    ``when``: before it, after it, or "during": so many ``seconds`` after it was sent. ``host``: only there, by name;
    "" is whichever comes first. ``nspawn``: the host that is killed (its systemd-nspawn); 0 is the run itself.
    ``count``: 2 is the second time that this moment comes there, and so on.
    """

    moment: str
    when: str = "before"
    host: str = ""
    nspawn: int = 0
    signal: int = signal.SIGKILL
    seconds: float = 0.05
    count: int = 1


def inject_faults(checkout: Checkout, *faults: Fault, deploy: str = "deploy.py") -> None:
    """Inject faults into the runs of that checkout from now on; without any, the runs only record their actions."""
    checkout.write(deploy, (REPOSITORY / deploy).read_text() + HOOK)
    checkout.write(PLAN, json.dumps([asdict(each) for each in faults]))
    (checkout.root / ACTS).unlink(missing_ok=True)


def stop_injecting(checkout: Checkout, deploy: str = "deploy.py") -> None:
    """Inject no more faults: put the file back as it is."""
    checkout.write(deploy, (REPOSITORY / deploy).read_text())


def actions(checkout: Checkout) -> list[tuple[str, str]]:
    """Return (host, moment) of every action that was about to begin since ``inject_faults``, in order."""
    path = checkout.root / ACTS
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


_watched: list[State] = []
_faults: list[Fault] = []
_times: Counter[tuple[str, str]] = Counter()  # how often a host's moment has come


def install_hooks(state: State) -> None:
    """Begin to inject the faults, at the first call; deploy.py calls this for each host."""
    if state in _watched:
        return
    _watched.append(state)
    _faults.extend(Fault(**each) for each in json.loads(Path(PLAN).read_text()))
    state.add_callback_handler(Operations())
    _wrap_shell()
    _wrap_redis()


def _inject(host: str, moment: str, when: str) -> None:
    if when == "before":
        with Path(ACTS).open("a") as file:
            file.write(json.dumps([host, moment]) + "\n")
        _times[host, moment] += 1
    for each in _faults:
        if (each.moment, each.when) == (moment, when) and _is_there(each, host):
            _faults.remove(each)
            with suppress(ProcessLookupError):
                kill(each.nspawn) if each.nspawn else os.kill(os.getpid(), each.signal)
            return


def _is_there(inject_faults: Fault, host: str) -> bool:
    return inject_faults.host in ("", host) and inject_faults.count <= _times[host, inject_faults.moment]


def _act(host: str, moment: str, work: Callable[[], Any]) -> Any:
    _inject(host, moment, "before")
    during = [
        each for each in _faults if (each.moment, each.when) == (moment, "during") and _is_there(each, host)
    ]
    if during:
        under_way = gevent.spawn(work)
        gevent.sleep(during[0].seconds)
        _inject(host, moment, "during")
        return under_way.get()
    result = work()
    _inject(host, moment, "after")
    return result


class Operations(BaseStateCallback):
    """Before and after each operation, on each host that has it."""

    @staticmethod
    def operation_host_start(state: State, host: Any, op_hash: str) -> None:
        if op_hash in state.ops[host]:
            _inject(host.name, _name(state, op_hash), "before")

    @staticmethod
    def operation_host_success(state: State, host: Any, op_hash: str, _retries: int = 0) -> None:
        _inject(host.name, _name(state, op_hash), "after")


def _name(state: State, op_hash: str) -> str:
    [name] = state.get_op_meta(op_hash).names
    return str(name)


def _wrap_shell() -> None:
    shell = MachineRun.shell

    def wrapped(run: MachineRun, script: str, **options: Any) -> list[str]:
        moment = _script(script)
        if not run.pyinfra.is_executing or not moment:
            return shell(run, script, **options)
        found: list[str] = _act(run.name, moment, lambda: shell(run, script, **options))
        return found

    MachineRun.shell = wrapped  # type: ignore[method-assign]


def _script(text: str) -> str:
    """The name of a script that changes something; "" for any other."""
    lines = text.splitlines()
    name = next(
        (FIRST_LINES[line] for line in lines if line in FIRST_LINES), "clean-up" if "rm -rf" in text else ""
    )
    verb = next((line.removeprefix("verb=") for line in lines if line.startswith("verb=")), "")
    return "" if name in LOOKS or verb == "state" else f"{name} {verb}".strip()


def _wrap_redis() -> None:
    """Commands that write, by their name; what is sent in one transaction, ACL users, as "MULTI"."""
    send, execute = Client.execute_command, Pipeline.execute

    def wrapped(client: Any, *words: Any, **options: Any) -> Any:
        if not str(words[0]).startswith(WRITES):
            return send(client, *words, **options)
        moment = " ".join(map(str, words[: 2 if words[0] == "CONFIG SET" else 1]))
        return _act(ctx_host.get().name, moment, lambda: send(client, *words, **options))

    def wrapped_pipeline(pipe: Any, **options: Any) -> Any:
        if not pipe.transaction:
            return execute(pipe, **options)
        return _act(ctx_host.get().name, "MULTI", lambda: execute(pipe, **options))

    Client.execute_command, Pipeline.execute = wrapped, wrapped_pipeline  # type: ignore[method-assign]
