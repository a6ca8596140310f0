"""Measures every directive on the real servers and writes noevict/directives/measured.json.

``python -m tests.lab.measure_directives`` (a minute). Run it when a new release joins tests/lab/servers.py.

For each directive that CONFIG GET returns, and each server: its kind and range (from the server's answers to wrong
values), its default (of a new server), and whether CONFIG SET accepts it. A cell that is the same on all servers is
written once.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import redis

import noevict
from noevict.directives.ownership import ALIASES
from tests.lab.servers import BINARIES, Binary, Running, free_port

TARGET = Path(noevict.__file__).parent / "directives/measured.json"
HOSTS_OWN = {"dir"}  # a default that depends on where the server was started
NOT_A_VALUE = "no such value"
LOWEST, HIGHEST = str(-(2**63) + 1), str(2**63 - 1)

Row = dict[str, str]


def measure(binary: Binary) -> dict[str, Row]:
    """Directive (modern name) -> kind, default, change."""
    running = Running(binary, f"port {free_port()}\n")
    try:
        defaults = running.redis.config_get("*") | {"port": "6379"}
        written = {ALIASES.get(name, name): value for name, value in sorted(defaults.items())}
        on_server = {ALIASES.get(name, name): name for name in sorted(defaults)}
        return {
            name: _row(running, on_server[name], written[name], own=name in HOSTS_OWN)
            for name in sorted(written)
        }
    finally:
        running.stop()


def _row(running: Running, name: str, default: str, *, own: bool) -> Row:
    change = _change(_set(running, name, default))
    ask: Callable[[str], str] = (
        (lambda value: _set(running, name, value))
        if change == "live"
        else (lambda value: _start(running.binary, name, value))
    )
    row = {"kind": _kind(ask), "change": change}
    if change == "live":
        _set(running, name, default)
    return row if own else row | {"default": default}


def _set(running: Running, name: str, value: str) -> str:
    """What CONFIG SET says; a server that ends of it (an output limit for its own client) starts again."""
    try:
        running.redis.config_set(name, value)
    except redis.ResponseError as refused:
        return str(refused)
    return ""


def _start(binary: Binary, name: str, value: str) -> str:
    """What a server says that is started with this value; empty if it keeps running."""
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        command = binary.command("--port", "0", "--unixsocket", f"{directory}/s", f"--{name}", value)
        try:
            ended = subprocess.run(
                command, cwd=directory, capture_output=True, text=True, timeout=0.5, check=False
            )
        except subprocess.TimeoutExpired:
            return ""
        return ended.stderr


def _change(answer: str) -> str:
    """live, restart (immutable) or protected (dir: a restart too, unless a server allows it live)."""
    found = re.search(r"can't set (immutable|protected) config", answer)
    return {"immutable": "restart", "protected": "protected"}[found[1]] if found else "live"


def _kind(ask: Callable[[str], str]) -> str:
    answer = ask(NOT_A_VALUE)
    if "'yes' or 'no'" in answer:
        return "bool"
    if found := re.search(r"one of the following: ([^\n|]+)", answer):
        return f"words {found[1].strip().replace(',', '')}"
    if "octal" in answer:
        return "octal"
    if "integer" in answer:
        return " ".join(["int", *_range(ask, LOWEST)])
    if "memory" in answer:
        return " ".join(["percent" if "percent" in answer else "memory", *_range(ask, "0")])
    return "text"


def _range(ask: Callable[[str], str], lowest: str) -> tuple[str, str]:
    """The range a server reports when asked for too little or too much, else what it took.

    Some take only half of what they report (an unsigned size is read as a signed number): HIGHEST ends it.
    """
    for value in (lowest, HIGHEST):
        if found := re.search(r"between (-?\d+) and (\d+) inclusive", ask(value)):
            return found[1], str(min(int(found[2]), int(HIGHEST)))
    return lowest, HIGHEST


def main() -> None:
    """Measure all and write the file: one directive a line."""
    measured = {str(binary.server): measure(binary) for binary in BINARIES}
    names = sorted({name for rows in measured.values() for name in rows})
    lines = [f"{json.dumps(name)}: {json.dumps(_cells(name, measured))}" for name in names]
    servers = json.dumps(list(measured))
    TARGET.write_text(f'{{"servers": {servers},\n"directives": {{\n' + ",\n".join(lines) + "\n}}\n")


def _cells(name: str, measured: dict[str, dict[str, Row]]) -> dict[str, str | dict[str, str]]:
    cells: dict[str, str | dict[str, str]] = {}
    for column in ("kind", "change", "default"):
        values = {
            server: rows[name][column]
            for server, rows in measured.items()
            if name in rows and column in rows[name]
        }
        if values:
            same = len(values) == len(measured) and len(set(values.values())) == 1
            cells[column] = next(iter(values.values())) if same else values
    return cells


if __name__ == "__main__":
    main()
