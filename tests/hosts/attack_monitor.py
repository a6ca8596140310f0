"""Starts an attacker beside a run, ends it by id, and looks at everything on the host that it could have gained."""

import ctypes
import hashlib
import os
import re
import select
import stat
import struct
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from noevict.engines.engine import EngineName
from noevict.engines.package_layout import LAYOUTS
from tests.lab.host import Host
from tests.lab.machine import wait_until

PROGRAM, FOUND = "/usr/local/lib/attacker", "/var/tmp/attacker-found"
# In every file of root's that nothing has a reason to read. It looks like lines of each file that it may be read as.
MARK = "CANARY-c5b1f2"
CANARY = f"""# Fatal error: {MARK}
maxmemory-policy {MARK}
{MARK} file appendonly.aof.1.base.rdb seq 1 type b
user {MARK} on nopass ~* +@all
"""
CANARIES = ("/root/canary", "/root/canaries/one", "/root/canaries/redis.conf", "/root/canaries/server.key")
FAN_CLOEXEC, FAN_NONBLOCK, FAN_CLASS_CONTENT = 1, 2, 4
FAN_MARK_ADD, FAN_OPEN_PERM, FAN_ONDIR, FAN_ALLOW = 1, 0x10000, 0x40000000, 1
CHANGED = 0x2 | 0x4 | 0x100 | 0x200 | 0x40 | 0x80 | 0x400 | 0x800
EVENTS = {0x2: "written to", 0x4: "given another owner or mode", 0x400: "removed", 0x800: "moved",
        0x100: "given a file", 0x200: "rid of a file", 0x40: "rid of a file", 0x80: "given a file"}  # fmt: skip
# Where the server's user, or noevict, has a reason to change something; all else in /etc and /root stays as it was.
OURS = re.compile(
    r"/etc/(redis|valkey)(/|$)|/etc/systemd/system/(redis|valkey)-server\.service(\.d(/|$)|$)|/etc/sysctl\.d/60-noevict"
    r"|/etc/systemd/system/(prometheus-redis-exporter\.|multi-user\.target\.wants)|/etc/noevict-exporter|/etc/\.noevict\."
    r"|/etc/systemd/system/(redis|valkey)\.service$|/root/canar"
)
# What packages bring when they are installed.
PACKAGES = re.compile(
    r"/etc/(init\.d|rc\w\.d|default|logrotate\.d|cron\.d|ld\.so\.cache|passwd-?|shadow-?|group-?|gshadow-?|subuid-?"
    r"|subgid-?|apt/sources|alternatives|prometheus-redis-exporter|sysctl\.d|\.pwd\.lock|prometheus)(/|$)|/etc/systemd/system/"
)
SERVERS = ("etc", "var/lib", "var/log", "run")


def is_servers(path: str) -> bool:
    """Whether files there may be the server's user's."""
    return any(re.match(rf"/{base}/(redis|valkey)(/|$)", path) for base in SERVERS) or path.startswith(
        ("/var/lib/noevict/", FOUND, "/etc/.noevict.", "/etc/redis/", "/etc/valkey/")
    )


def describe(pid: int) -> str:
    """The command line of a process, and of those that started it; a script on standard input has none of its own."""
    words: list[str] = []
    while pid > 1 and len(words) < 4:
        try:
            line = (
                Path(f"/proc/{pid}/cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode(errors="replace")
                .strip()
            )
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            break
        words.append(f"{line[:100]!a}")
        pid = int(status.split("PPid:")[1].split()[0])
    return " < ".join(words)


class Watch:
    """Every event on root's canaries, as the kernel reports it to this machine; of an open also whose it is."""

    def __init__(self, host: Host) -> None:
        self.seen: set[str] = set()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._changes = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._opens = self._libc.fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK, os.O_RDONLY)
        assert self._opens >= 0, "no fanotify"
        self._paths: dict[int, str] = {}
        for path in (*CANARIES, "/root/canaries"):
            there = f"/proc/{host.leader}/root{path}".encode()
            number = self._libc.inotify_add_watch(self._changes, there, CHANGED)
            assert number >= 0, f"{host}: {path} cannot be watched"
            self._paths[number] = path
            mask = ctypes.c_uint64(FAN_OPEN_PERM | (FAN_ONDIR if path == "/root/canaries" else 0))
            assert self._libc.fanotify_mark(self._opens, FAN_MARK_ADD, mask, -100, there) == 0, path
        self._ended = threading.Event()
        # Whoever opens one waits until it was seen here who that is.
        self._thread = threading.Thread(target=self._watch_opens, daemon=True)
        self._thread.start()

    def _watch_opens(self) -> None:
        while not self._ended.is_set():
            if not select.select([self._opens], [], [], 0.2)[0]:
                continue
            events = os.read(self._opens, 65536)
            while events:
                length, _, _, _, _, opened, pid = struct.unpack("IBBHQii", events[:24])
                events = events[length:]
                path = Path(f"/proc/self/fd/{opened}").readlink()
                # systemd itself looks for a pid file there, and takes no link for one.
                if not (by := describe(pid)).startswith("'/usr/lib/systemd/systemd"):
                    self.seen.add(f"root's {path} was opened by {by}")
                os.write(self._opens, struct.pack("iI", opened, FAN_ALLOW))
                os.close(opened)

    def close(self) -> list[str]:
        """What was seen, and no more is seen after."""
        self._ended.set()
        self._thread.join()
        os.close(self._opens)
        with suppress(BlockingIOError):
            while select.select([self._changes], [], [], 0)[0]:
                events = os.read(self._changes, 65536)
                while events:
                    number, mask, _, length = struct.unpack("iIII", events[:16])
                    events = events[16 + length :]
                    what = next((word for bit, word in EVENTS.items() if mask & bit), None)
                    if what and number in self._paths:
                        self.seen.add(f"root's {self._paths[number]} was {what}")
        os.close(self._changes)
        return sorted(self.seen)


def root_files(host: Host) -> dict[str, tuple[object, ...]]:
    """Everything in /etc and /root: kind, owner, mode, content."""
    found: dict[str, tuple[object, ...]] = {}
    for base in ("etc", "root"):
        for place, directories, files in os.walk(host.root / base):
            for name in (*directories, *files):
                path = Path(place) / name
                with suppress(FileNotFoundError):
                    about = path.lstat()
                    content = ""
                    if stat.S_ISREG(about.st_mode):
                        content = hashlib.sha256(path.read_bytes()).hexdigest()
                    elif stat.S_ISLNK(about.st_mode):
                        content = str(path.readlink())
                    displayed = "/" + str(path.relative_to(host.root))
                    found[displayed] = (oct(about.st_mode), about.st_uid, about.st_gid, content)
    return found


def owned(host: Host) -> set[str]:
    """Files of the server's user, or of its group and writable for it, that should have none."""
    users = "-user redis -o -user valkey" if "valkey:" in host.read("/etc/passwd") else "-user redis"
    upper = host.directory / "upper"
    ids = {int(line.split(":")[2]) for line in (host.root / "etc/passwd").read_text().splitlines()
           if line.startswith(("redis:", "valkey:"))}  # fmt: skip
    found = set()
    for place, directories, files in os.walk(upper):
        for name in (*directories, *files):
            path = Path(place) / name
            with suppress(FileNotFoundError):
                if path.lstat().st_uid in ids:
                    found.add("/" + str(path.relative_to(upper)))
    found |= set(
        host.run(f"find /run /tmp /dev/shm /var/tmp \\( {users} \\) 2>/dev/null || true").stdout.splitlines()
    )
    return {path for path in found if not is_servers(path)}


def processes(host: Host) -> dict[str, str]:
    """By id: root's, but for the host's own services and the kernel's."""
    displayed = host.run("ps -eo pid=,uid=,args= -ww").stdout.splitlines()
    found = {}
    for line in displayed:
        pid, uid, words = line.split(None, 2)
        if not re.match(r"/sbin/init|/lib/systemd|/usr/lib/systemd|\(sd-pam\)|sshd|/usr/s?bin/sshd|ps |/usr/bin/dbus|"
                        r"\[|runuser|/bin/sh -c ps", words):  # fmt: skip
            found[pid] = f"uid {uid}: {words}"
    return found


@dataclass
class Attack:
    """One beside a run. ``won`` after it: what it could do that it should not have been able to."""

    host: Host
    engine: EngineName
    roles: Sequence[str]
    inside: bool = False
    installs: bool = False  # whether packages are put in place meanwhile
    won: list[str] = field(default_factory=list)

    def start(self) -> subprocess.Popen[str]:
        host = self.host
        for path in (Path(__file__).parent / "attacker").glob("*.py"):
            host.write(f"{PROGRAM}/{path.name}", path.read_text(), 0o644)
        host.run(f"rm -f {FOUND}")
        displayed = f"systemctl show {LAYOUTS[self.engine].unit} -p MainPID --value"
        pid = host.run(displayed).stdout.strip() if self.inside else "0"
        enter = ("nsenter", "-t", str(host.leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w")
        argv = (*enter, "python3", "-m", "attacker", self.engine, FOUND, MARK, pid, *self.roles)
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(Path(PROGRAM).parent)},
        )  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "at work\n", line + process.stdout.read()
        return process

    @contextmanager
    def beside(self) -> Iterator[None]:
        """At work for the block; after it everything is looked at."""
        host = self.host
        host.run("mkdir -pm 700 /root/canaries")
        for path in CANARIES:
            host.write(path, CANARY, 0o600)
        before, running = root_files(host), processes(host)
        watch = Watch(host)
        process = self.start()
        try:
            yield
        finally:
            process.communicate(timeout=60)
            seen = watch.close()
        self.won += seen
        self.won += sorted(set(host.run(f"cat {FOUND}").stdout.splitlines()))
        self.won += self._changed(before)
        self.won += [f"{path} is the server's user's" for path in sorted(owned(host))]
        self.won += self._left(running)

    def _changed(self, before: dict[str, tuple[object, ...]]) -> list[str]:
        after = root_files(self.host)
        found = []
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) == after.get(path) or OURS.match(path):
                continue
            if self.installs and PACKAGES.match(path) and self._of_root(after.get(path)):
                continue
            found.append(f"{path} was {before.get(path)}, is {after.get(path)}")
        return found

    @staticmethod
    def _of_root(entry: tuple[object, ...] | None) -> bool:
        return entry is None or entry[1] == 0

    def _left(self, running: dict[str, str]) -> list[str]:
        """Processes that a run left behind; those that end in a moment aside."""
        server = (f"/usr/bin/{self.engine}-server", "/usr/bin/redis-server", "/usr/bin/valkey-server",
                  "/usr/bin/prometheus-redis-exporter", "redis-server", "(")  # fmt: skip

        def left() -> dict[str, str]:
            return {
                pid: words
                for pid, words in processes(self.host).items()
                if pid not in running and not words.partition(": ")[2].startswith(server)
            }

        with suppress(Exception):
            wait_until(lambda: not left(), "", 20)
        return [f"a process is left: {words[:200]}" for words in left().values()]


def clear(host: Host) -> None:
    """As an admin does who was informed of it: no link, pipe or litter stays in the server's directories.

    The directories of both engines: a change of the engine may have been refused.
    """
    places = " ".join(f"{each.etc} {each.data} {each.logs} /run/{name}" for name, each in LAYOUTS.items())
    tls = [f"{each.etc}/tls" for each in LAYOUTS.values()]
    ours = " ".join(f"! -path {path}" for path in tls)
    host.run(
        rf"find {places} -xdev \( -name '.swapped-*' -o -name '.aside-*' -o -name '*[![:print:]]*' -o -name '-rf .'"
        rf" -o -name '$(touch*' -o -type p -o -type l {ours} \) -prune"
        " -exec rm -rf {} + 2>/dev/null;"
        f" find {' '.join(tls)} -maxdepth 0 ! -user root -exec rm -rf {{}} + 2>/dev/null; rm -rf /tmp/canary; true"
    )
