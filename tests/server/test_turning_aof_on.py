"""AOF turned on or off over data: a server that dies at any moment starts with it; one without room has AOF off."""

import os
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from noevict.engines.package_layout import LAYOUTS
from noevict.errors import NoevictError
from noevict.operations.data.append_only import turn_aof_off, write_append_only_files
from noevict.scripts import script
from noevict.server.live import Live, Reach
from tests.lab.servers import BINARIES, Binary, Running, wait_for
from tests.sampling import sample
from tests.server.conftest import StartServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: setpriv")

CONF = 'port 0\nunixsocket {{directory}}/s\ndir {{directory}}\nsave ""\nappendonly {appendonly}\n'
PARTS = {"base": "\nbase() {", "appendonly": '\nmv -fT "$scratch/after"'}
IN_AOF, AFTER = 1000, 100  # keys from before AOF was turned off, and from after that
VALUE = "x" * 100


@dataclass
class Run:
    """What these operations ask of an InstanceRun and its machine.

    ``moment`` is called before and after each thing they do.
    """

    server: Running
    moment: Callable[[str], None] = lambda _: None
    reported: list[str] = field(default_factory=list)
    memory: int = 1 << 40
    writes: int = 0
    wanted: str = ""  # redis.conf
    managed: bool = True

    def __post_init__(self) -> None:
        binary = self.server.binary
        directory = self.server.directory
        self.layout = replace(
            LAYOUTS[binary.engine],
            user="root",
            data=str(directory),
            conf=str(directory / f"{binary.engine}.conf"),
        )
        client = self.server.redis
        live = Live(Reach.TLS, user="admin", config=client.config_get("*"), info=client.info())
        manifest = Path(self.layout.manifest)
        self.found = SimpleNamespace(
            live=live,
            memory=self.memory,
            file=lambda path: path if manifest.exists() and path == str(manifest) else None,
            starts_with_aof="appendonly yes" in self.server.conf.read_text(),
        )
        self.plan = SimpleNamespace(target=SimpleNamespace(layout=self.layout, text=lambda _: self.wanted))
        self.client = Moments(client, self.moment)

    @property
    def machine(self) -> "Run":
        return self

    def shell(self, text: str, **_: Any) -> list[str]:
        name = next((name for name, part in PARTS.items() if part in text), "")
        if name == "appendonly":
            self.writes += 1
            name = f"file {self.writes}"
        self.moment(f"before {name}")
        done = subprocess.run(
            ["bash", "-s"], input=f"{{\n{text}\n}}\n", capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NoevictError(done.stdout + done.stderr)
        self.moment(f"after {name}")
        return done.stdout.splitlines()

    def log(self, line: str) -> None:
        self.reported.append(line)

    warn = log


class Moments:
    """A client that records its commands."""

    def __init__(self, client: "redis.Redis", moment: Callable[[str], None]) -> None:
        self._client, self._moment = client, moment

    def execute_command(self, *words: str) -> Any:
        name = " ".join(words[:2])
        self._moment(f"before {name}")
        answer = self._client.execute_command(*words)
        self._moment(f"after {name}")
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def fill(client: "redis.Redis", start: int, count: int) -> None:
    client.mset({f"key:{number}": f"{VALUE}{number}" for number in range(start, start + count)})


def assert_filled(client: "redis.Redis", count: int) -> None:
    assert client.mget(f"key:{n}" for n in range(count)) == [f"{VALUE}{n}" for n in range(count)]
    assert client.dbsize() == count


def turned_off(start_server: StartServer, binary: Binary) -> Running:
    """A server whose AOF was turned off by hand: its file says yes, its append-only files lack the last keys."""
    server: Running = start_server(binary, CONF.format(appendonly="yes"))
    fill(server.redis, 0, IN_AOF)
    server.redis.config_set("appendonly", "no")
    fill(server.redis, IN_AOF, AFTER)
    return server


def again(server: Running) -> "redis.Redis":
    """As systemd starts it again after a SIGKILL."""
    server.end(signal.SIGKILL)
    server.start()
    return server.redis


MOMENTS = (
    "before BGSAVE",
    "after BGSAVE",
    "before file 1",
    "after file 1",
    "before base",
    "after base",
    "before CONFIG SET appendonly",
    "after CONFIG SET appendonly",
    "after file 2",
    "during the rewrite",
    "at the end",
)
CASES = {f"{binary.id} {moment}": (binary, moment) for binary in BINARIES for moment in MOMENTS}
CHOSEN = [
    *(f"redis-7.0 {moment}" for moment in MOMENTS),
    *(f"{binary.id} during the rewrite" for binary in BINARIES[1:]),
    *(f"{binary.id} at the end" for binary in BINARIES[1:]),
]


@pytest.mark.parametrize("case", sample(CASES, *CHOSEN))
def test_a_server_that_dies_while_aof_is_turned_on_starts_with_every_key(
    start_server: StartServer, case: tuple[Binary, str]
) -> None:
    binary, moment = case
    server = turned_off(start_server, binary)
    seen: list[str] = []

    def here(which: str) -> None:
        seen.append(which)
        if which == moment:
            if moment == "after BGSAVE":
                wait_for(
                    "it is saved", lambda: not server.redis.info("persistence")["rdb_bgsave_in_progress"]
                )
            os.kill(server.pid, signal.SIGKILL)

    run: Any = Run(server, here)

    def dies() -> None:
        with pytest.raises((redis.ConnectionError, OSError)):
            write_append_only_files(run)

    if moment == "during the rewrite":
        server.redis.config_set("rdb-key-save-delay", 1000)  # a second for all
        going = threading.Thread(target=dies)
        going.start()
        rewriting = server.client()
        wait_for("it is rewritten", lambda: rewriting.info("persistence")["aof_rewrite_in_progress"])
        wait_for("the file says so", lambda: "after file 2" in seen or None)
        assert rewriting.info("persistence")["aof_rewrite_in_progress"]
        os.kill(server.pid, signal.SIGKILL)
        going.join()
    elif moment == "at the end":
        write_append_only_files(run)
    else:
        dies()
    assert moment in (*seen, "during the rewrite", "at the end")
    client = again(server)
    # What came after AOF was turned off by hand is on disk once the save is done, and the file says so.
    early = moment in ("before BGSAVE", "after BGSAVE")
    assert_filled(client, IN_AOF if early else IN_AOF + AFTER)
    # The next run finishes it, and a death after that costs nothing.
    fill(client, client.dbsize(), 10)
    count = client.dbsize()
    if client.config_get("appendonly")["appendonly"] == "no":
        write_append_only_files(Run(server))  # type: ignore[arg-type]
    assert_filled(again(server), count)
    assert server.redis.config_get("appendonly") == {"appendonly": "yes"}


def test_files_of_before_are_kept_and_nothing_else_is_left(start_server: StartServer, binary: Binary) -> None:
    server = turned_off(start_server, binary)
    before = {path.name: path.read_bytes() for path in (server.directory / "appendonlydir").iterdir()}
    run: Any = Run(server)
    write_append_only_files(run)
    [kept] = server.directory.glob("appendonlydir.kept-*")
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    assert run.reported == [f"append-only files of an earlier time are kept in {kept}"]
    names = sorted(path.name for path in (server.directory / "appendonlydir").iterdir())
    assert [name.rpartition(".")[2] for name in names] == ["rdb", "aof", "manifest"], names
    assert "Z-" not in " ".join(names)
    assert_filled(again(server), IN_AOF + AFTER)


def test_a_first_rewrite_that_fails_turns_aof_off_again(start_server: StartServer, binary: Binary) -> None:
    server = turned_off(start_server, binary)
    tried = []

    def full(which: str) -> None:
        if which == "after base":
            # As a full disk: the base is larger than any file that it may write.
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
            tried.append(which)

    with pytest.raises(NoevictError, match=r"^AOF stays off: writing the append-only files failed"):
        write_append_only_files(Run(server, full))  # type: ignore[arg-type]
    assert tried
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    info = server.redis.info("persistence")
    assert (info["aof_enabled"], info["aof_rewrite_in_progress"], info["aof_rewrite_scheduled"]) == (0, 0, 0)
    server.redis.set("more", 1)
    server.redis.delete("more")
    server.redis.bgsave()
    wait_for("it is saved", lambda: not server.redis.info("persistence")["rdb_bgsave_in_progress"])
    assert "appendonly no" in server.conf.read_text()
    assert_filled(again(server), IN_AOF + AFTER)
    write_append_only_files(Run(server))  # type: ignore[arg-type]
    assert_filled(again(server), IN_AOF + AFTER)


def test_without_room_nothing_is_written(start_server: StartServer, binary: Binary) -> None:
    server = turned_off(start_server, binary)
    reported = r"^AOF stays off: 0 MiB of memory are free, .*, then run again$"
    with pytest.raises(NoevictError, match=reported):
        write_append_only_files(Run(server, memory=1 << 20))  # type: ignore[arg-type]
    assert not (server.directory / "dump.rdb").exists()
    assert server.redis.config_get("appendonly") == {"appendonly": "no"}
    assert_filled(server.redis, IN_AOF + AFTER)


def test_an_empty_server_that_writes_commands_only(start_server: StartServer, binary: Binary) -> None:
    """Its base has no bytes at all."""
    server: Running = start_server(binary, CONF.format(appendonly="no") + "aof-use-rdb-preamble no\n")
    write_append_only_files(Run(server))  # type: ignore[arg-type]
    server.redis.set("key", "value")
    assert again(server).get("key") == "value"


def in_its_place(conf: Path, which: str) -> None:
    """Something that the server's user cannot mend."""
    conf.unlink()
    if which == "link":
        conf.symlink_to("/etc/passwd")
    elif which == "fifo":
        os.mkfifo(conf)


@pytest.mark.parametrize("which", ["missing", "link", "fifo"])
def test_a_configuration_that_is_no_file_is_rewritten(start_server: StartServer, which: str) -> None:
    server = turned_off(start_server, BINARIES[0])
    conf = server.conf
    run: Any = Run(server, wanted=conf.read_text())
    in_its_place(conf, which)
    before = Path("/etc/passwd").read_bytes()
    write_append_only_files(run)
    assert Path("/etc/passwd").read_bytes() == before
    assert conf.is_file()
    assert not conf.is_symlink()
    assert "\nappendonly yes\n" in conf.read_text()
    assert not list(Path("/etc").glob(".noevict.*"))
    assert_filled(again(server), IN_AOF + AFTER)


def test_aof_is_not_turned_off_while_the_file_cannot_say_so(start_server: StartServer) -> None:
    """Of a server found with AOF on, whose append-only files are gone."""
    server: Running = start_server(BINARIES[0], CONF.format(appendonly="yes"))
    fill(server.redis, 0, IN_AOF)
    shutil.rmtree(server.directory / "appendonlydir")
    text = server.conf.read_text()
    run: Any = Run(server, managed=False)
    in_its_place(server.conf, "missing")
    with pytest.raises(NoevictError, match=r"^AOF is on: .* is missing"):
        write_append_only_files(run)
    assert server.redis.config_get("appendonly") == {"appendonly": "yes"}
    server.conf.write_text(text)
    with pytest.raises(NoevictError, match=r"^AOF is off now: 0 MiB of memory are free"):
        write_append_only_files(Run(server, memory=1 << 20))  # type: ignore[arg-type]
    assert server.redis.config_get("appendonly") == {"appendonly": "no"}
    write_append_only_files(Run(server))  # type: ignore[arg-type]
    assert_filled(again(server), IN_AOF)


def counted(*paths: Path) -> list[str]:
    text = script("as_user", user="root") + script("count_keys", paths="\n".join(map(str, paths)))
    return subprocess.run(
        ["bash", "-s"], input=text, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_keys_are_counted_that_do_not_expire(start_server: StartServer, binary: Binary) -> None:
    server: Running = start_server(binary, CONF.format(appendonly="no"))
    client, dump, found = server.redis, server.directory / "dump.rdb", []
    client.function_load(
        "#!lua name=lib\nredis.register_function('f', function() return 1 end) -- " + "x" * 3000
    )
    for keys, expiring in ((0, 0), (1, 0), (100, 30), (20_000, 0), (5, 5)):
        client.flushall()
        for number in range(keys):
            client.set(f"key:{number}", "x" * 50, ex=1000 if number < expiring else None)
        client.save()
        found += counted(dump)
    assert found == ["keys 0", "keys 1", "keys 70", "keys 20000", "keys 0"]
    client.select(3)
    client.set("key", "value")
    client.save()
    # The second database is not at the beginning: the first one cannot show that there are no keys.
    assert counted(dump) == ["keys unknown"]
    client.delete("key")
    client.save()
    assert counted(dump) == ["keys 0"]
    odd, fifo, directory = (server.directory / name for name in ("odd", "fifo", "kept"))
    odd.write_bytes(b"REDIS0011\xfa\xff\xff keys 7\n")
    os.mkfifo(fifo)
    directory.mkdir()
    (directory / "appendonly.aof.manifest").write_text(
        "file a.base.rdb seq 1 type b\nfile a.incr.aof seq 1 type i\n"
    )
    (directory / "a.base.rdb").write_bytes(dump.read_bytes())
    (directory / "a.incr.aof").touch()
    assert counted(odd, fifo, directory, server.directory / "gone") == ["keys unknown"] * 2 + [
        "keys 0",
        "keys unknown",
    ]
    (directory / "a.incr.aof").write_text("*1\r\n")
    assert counted(directory) == ["keys unknown"]


@pytest.mark.parametrize("moment", ["before BGSAVE", "after BGSAVE", "before file 1", "after file 1"])
def test_a_server_that_dies_while_aof_is_turned_off_starts_with_every_key(
    start_server: StartServer, moment: str
) -> None:
    server = start_server(BINARIES[0], CONF.format(appendonly="yes"))
    fill(server.redis, 0, IN_AOF)
    seen: list[str] = []

    def here(which: str) -> None:
        seen.append(which)
        if which == moment:
            if "file" in moment:
                fill(server.redis, IN_AOF, AFTER)
                server.redis.save()
            os.kill(server.pid, signal.SIGKILL)

    run: Any = Run(server, here)
    with pytest.raises((redis.ConnectionError, OSError)):
        turn_aof_off(run)
    assert moment in seen
    assert_filled(again(server), IN_AOF + AFTER if "file" in moment else IN_AOF)


def test_what_is_saved_after_aof_was_turned_off_is_there_even_if_the_run_ends_then(
    start_server: StartServer, binary: Binary
) -> None:
    server = start_server(binary, CONF.format(appendonly="yes"))
    fill(server.redis, 0, IN_AOF)
    run: Any = Run(server)
    turn_aof_off(run)
    assert server.redis.config_get("appendonly") == {"appendonly": "no"}
    fill(server.redis, IN_AOF, AFTER)
    server.redis.save()
    assert_filled(again(server), IN_AOF + AFTER)
