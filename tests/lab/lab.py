"""A lab: hosts on one bridge, one key that opens them, a known_hosts file that was never guessed."""

import atexit
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.lab.disk import Spec
from tests.lab.host import Host, wait_ready
from tests.lab.machine import LabError, ensure_packages, need_root, run
from tests.lab.registry import claim, release

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_NEEDED = 1024  # the usual 128 make the hosts beyond about 30 hang at network.target
FIRST_HOST = 10


class Lab:
    """Boots hosts and clears them away, at the latest when this process ends.

    With ``kept``, a directory, the hosts outlive the process and stay until ``down`` takes them, or until a lab
    that starts later finds that directory gone. Raises LabError if the machine cannot have a lab.
    """

    def __init__(self, kept: Path | None = None) -> None:
        need_root()
        ensure_packages()
        if int(INOTIFY.read_text()) < INOTIFY_NEEDED:
            INOTIFY.write_text(str(INOTIFY_NEEDED))
        self.claim = claim(kept)
        self.hosts: list[Host] = []
        if not kept:
            atexit.register(self.close)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", self.claim.key)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def boot(self, *hosts: str | Spec, **options: Any) -> list[Host]:
        """Boots them side by side and returns when users can log in to all.

        A release's name by itself is a Spec of it with the options: ``boot("trixie", memory=2000)``.
        """
        specs = [Spec(host, **options) if isinstance(host, str) else host for host in hosts]
        booted = [self._add(spec) for spec in specs]
        self._write_known_hosts()
        try:
            for host in booted:
                host.start()
            wait_ready(booted)
        except BaseException:
            self.remove(booted)
            raise
        return booted

    def _add(self, spec: Spec) -> Host:
        taken = {host.number for host in self.hosts}
        number = next(n for n in range(FIRST_HOST, 255) if n not in taken)
        host = Host(self.claim, number, spec)
        self.hosts.append(host)
        return host

    def remove(self, hosts: Iterable[Host]) -> None:
        """Ends these hosts for good; their addresses are free again."""
        for host in hosts:
            host.remove()
            self.hosts.remove(host)
        self._write_known_hosts()

    def close(self) -> None:
        """Ends everything of the lab. A second time is no error."""
        atexit.unregister(self.close)
        self.hosts.clear()
        release(self.claim)

    def _write_known_hosts(self) -> None:
        self.claim.known_hosts.write_text("".join(f"{h.address} {h.public_key}" for h in self.hosts))

    def hosts_yml(self, path: Path, hosts: Iterable[Host], **data: Any) -> Path:
        """See ``write_hosts_yml``."""
        return write_hosts_yml(path, hosts, **data)


def write_hosts_yml(
    path: Path,
    hosts: Iterable[Host],
    *,
    group: str = "redis",
    user: str = "root",
    each: Mapping[str, Mapping[str, Any]] | None = None,
    **data: Any,
) -> Path:
    """A hosts.yml that reaches the hosts as that user. ``data`` is for every host, ``each`` (by the host's name)
    for one; both win over what is written here. A user that is not root gets ``_sudo``."""
    listed = {}
    for host in hosts:
        reach = {
            "ssh_hostname": host.address,
            "ssh_user": user,
            "ssh_key": str(host.claim.key),
            "ssh_known_hosts_file": str(host.claim.known_hosts),
            "ssh_strict_host_key_checking": "yes",
        }
        sudo = {} if user == "root" else {"_sudo": True}
        listed[host.name] = {**reach, **sudo, **data, **(each or {}).get(host.name, {})}
    if not listed:
        raise LabError("a hosts file without hosts")
    lines = [f"{group}:"]
    for name, settings in listed.items():
        lines += [f"  {name}:", *(f"    {key}: {json.dumps(value)}" for key, value in settings.items())]
    path.write_text("\n".join(lines) + "\n")
    return path
