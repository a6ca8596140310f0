"""One host: systemd-nspawn boots the disk, SSH reaches it, nsenter looks at it without a trace."""

import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.lab import cgroups, disk
from tests.lab.disk import Spec, meminfo
from tests.lab.machine import LabError, children, end, mounts_below, run
from tests.lab.registry import Claim, kill

BOOT_SECONDS = 120.0
SSH = (
    *("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"),
    *("-o", "IdentitiesOnly=yes", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"),
    *("-o", "ServerAliveInterval=5", "-o", "ConnectTimeout=10"),
)

# systemd-nspawn in groups of its own ("0" is the process that writes), again when the host rebooted itself: with
# --keep-unit it then ends with 133 (systemd/systemd src/nspawn/nspawn.c).
RUN = 'while ({join} exec systemd-nspawn "$@"); [ $? -eq 133 ]; do :; done'


class Host:
    """A host of a lab, made by ``Lab.boot``. ``number`` is the last part of its address."""

    def __init__(self, claim: Claim, number: int, spec: Spec) -> None:
        self.claim, self.number, self.spec = claim, number, spec
        self.suite = spec.suite
        self._process: subprocess.Popen[bytes] | None = None
        self.name = spec.name or f"{spec.suite}-{number}"
        self.address = str(claim.network[number])
        self.machine = (
            f"{claim.bridge}-{number}"  # of it the name of its interface here: 15 characters at most
        )
        self.directory = claim.directory / "hosts" / str(number)
        self.root = disk.mount(self.directory, spec.suite, spec.disk)
        address = f"{self.address}/{claim.network.prefixlen}"
        self.public_key = disk.prepare(self.root, spec, self.name, address, claim.public_key)

    def __repr__(self) -> str:
        return f"<{self.name} at {self.address}>"

    # --- commands on it -----------------------------------------------------------------------------------

    def ssh(
        self,
        command: str,
        user: str = "root",
        check: bool = True,
        input: str | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Over SSH, as users come (one connection is kept for each user). Raises LabError on a failure,
        unless ``check`` is false."""
        return self._call((*self.way_in(user), "--", command), command, check, input, timeout)

    def way_in(self, user: str = "root", *options: str) -> tuple[str, ...]:
        """The ssh command that gets there; what it shall run comes after ``--``."""
        control = f"ControlPath={self.directory}/ssh-{user}"
        known = f"UserKnownHostsFile={self.claim.known_hosts}"
        named = ("-o", control, "-o", known, "-i", str(self.claim.key))
        return (*SSH, *named, *options, f"{user}@{self.address}")

    def run(
        self,
        command: str,
        user: str = "root",
        check: bool = True,
        input: str | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """The same without SSH: no connection, session or log line on the host, and sshd may be broken."""
        enter = ("nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w")
        shell = ("runuser", "-u", user, "--", "/bin/sh", "-c", command)
        return self._call((*enter, *shell), command, check, input, timeout)

    def _call(
        self, argv: Sequence[str], command: str, check: bool, input: str | None, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        try:
            done = subprocess.run(
                argv,
                capture_output=True,
                input=input or "",
                timeout=timeout,
                env=env,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name}: not done after {timeout:.0f} s: {command}") from error
        if check and done.returncode:
            raise LabError(f"{self.name}: exit {done.returncode}: {command}\n{done.stdout}{done.stderr}")
        return done

    def write(self, path: str, text: str, mode: int | None = None) -> None:
        """A file that is there keeps its owner, and its mode unless one is given; a new one is root's."""
        place = shlex.quote(path)
        chmod = f" && chmod {mode:o} {place}" if mode is not None else ""
        self.run(f"mkdir -p $(dirname {place}) && cat > {place}{chmod}", input=text)

    def read(self, path: str) -> str:
        """Raises LabError when there is no such file."""
        return self.run(f"cat {shlex.quote(path)}").stdout

    def journal(self, unit: str) -> str:
        """All that the unit ever logged, earlier boots included."""
        return self.run(f"journalctl --no-pager -o short-iso -u {shlex.quote(unit)}").stdout

    def channels(self) -> int:
        """How many SSH channels were ever opened, as an sshd at ``LogLevel DEBUG1`` logs them: sessions and
        direct-tcpip alike."""
        return self.journal("ssh").count("server_input_channel_open: ctype")

    def set_memory(self, mib: int) -> None:
        """Its /proc/meminfo reports that much RAM from now on, after reboots too."""
        self.write(disk.MEMINFO, meminfo(mib))
        self.run("umount /proc/meminfo 2>/dev/null; systemctl restart lab-memory.service")

    # --- on and off ---------------------------------------------------------------------------------------

    @property
    def _nspawn(self) -> int:
        """The id of its systemd-nspawn; 0 while there is none."""
        return next(iter(children(self._process.pid)), 0) if self._process else 0

    @property
    def leader(self) -> int:
        """The id, on this machine, of the host's PID 1. Raises LabError while the host is off."""
        if found := children(self._nspawn):
            return found[0]
        raise LabError(f"{self.name} is not running\n{self.console}")

    @property
    def console(self) -> str:
        """What it printed on its console since it was last started."""
        path = self.directory / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Boots it; ``wait_ready`` returns when it can be reached."""
        join = "".join(f"echo 0 > {group}/cgroup.procs;" for group in cgroups.create(self.machine))
        command = (
            *("sh", "-c", RUN.format(join=join), "sh", "--quiet", "-D", str(self.root)),
            *("--register=no", "--keep-unit", f"--machine={self.machine}", f"--hostname={self.name}"),
            *(f"--network-bridge={self.claim.bridge}", "--settings=no", "--resolv-conf=off"),
            *("--timezone=off", "--link-journal=no", "--console=pipe"),
            *(f"--bind-ro={path}" for path in self.spec.binds),
            *(f"--bind={path}:{there}" for there, path in self.spec.mounts.items()),
            *(("--boot",) if self.spec.systemd else ("--as-pid2", "sh", disk.WITHOUT_SYSTEMD)),
        )
        with (self.directory / "console").open("w") as console:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,  # it shall not see the terminal's Ctrl-C
            )

    def ready(self) -> bool:
        """Whether users can log in. Raises LabError when it stopped instead."""
        if self._process is None or self._process.poll() is not None:
            raise LabError(f"{self.name} stopped instead of booting\n{self.console}")
        there = Path(f"/proc/{next(iter(children(self._nspawn)), 0)}/root/run")
        # cheap looks first: a connection to an address that is not there yet blocks the other hosts' turns
        if not (there / "sshd.pid").exists() or (there / "nologin").exists():
            return False
        with suppress(OSError), socket.create_connection((self.address, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    def stop(self) -> None:
        """Shuts it down in order, as `poweroff` does."""
        if self._process:
            if (nspawn := self._nspawn) and not end(nspawn, signal.SIGTERM, 90):
                raise LabError(f"{self.name} does not shut down\n{self.console}")
            self._off(self._process)

    def kill(self) -> None:
        """Ends it as a power cut does."""
        if self._process:
            if nspawn := self._nspawn:
                kill(nspawn)
            self._off(self._process)

    def _off(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._process = None
        cgroups.remove(self.machine)
        for control in self.directory.glob("ssh-*"):
            with suppress(LabError):  # one that noticed by itself
                run("ssh", "-S", control, "-O", "exit", self.address)

    def reboot(self) -> None:
        """Really: an orderly shutdown, then a boot of the same disk. Returns when users can log in."""
        self.stop()
        self.start()
        wait_ready([self])

    def remove(self) -> None:
        """Ends it and its disk."""
        self.kill()
        for point in mounts_below(self.directory):
            run("umount", "--lazy", point)
        shutil.rmtree(self.directory)


def wait_ready(hosts: Iterable[Host], seconds: float = BOOT_SECONDS) -> None:
    """Until users can log in to all of them. Raises LabError after that many seconds."""
    deadline = time.monotonic() + seconds
    waiting = list(hosts)
    while waiting := [host for host in waiting if not host.ready()]:
        if time.monotonic() > deadline:
            raise LabError(f"not up after {seconds:.0f} s: {waiting}\n{waiting[0].console}")
        time.sleep(0.05)
