"""``python -m tests.lab up|down|list|packages``: hosts that outlive the command, for people to try things on."""

import argparse
import shutil
import sys
from pathlib import Path

from tests.lab.images import SUITES
from tests.lab.lab import Lab, write_hosts_yml
from tests.lab.machine import BROWSER, PACKAGES, LabError, ensure_packages, need_root
from tests.lab.registry import claims, host_pids, release

HELP = """\
{count} hosts of {suite} are up; root and admin (sudo without a password) get in:

  NOEVICT_HOSTS={where}/hosts.yml NOEVICT_SECRETS={where}/secrets make deploy
  NOEVICT_HOSTS={where}/hosts.yml NOEVICT_SECRETS={where}/secrets make drift
  ssh -i {where}/id_ed25519 -o UserKnownHostsFile={where}/known_hosts root@{address}

`make lab-down` removes them and {where}."""


def main() -> int:
    """The exit code: 0, or 1 with the reason in a line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "list", "packages"))
    parser.add_argument("--hosts", type=int, default=3, help="how many")
    parser.add_argument("--suite", choices=sorted(SUITES), default="trixie", help="their Debian release")
    parser.add_argument(
        "--dir", type=Path, default=Path(".lab"), help="hosts.yml, keys, secrets and state go there"
    )
    asked = parser.parse_args()
    try:
        if asked.command != "packages":
            need_root()
        if asked.command == "up":
            up(asked.dir, asked.suite, asked.hosts)
        elif asked.command == "down":
            down(asked.dir)
        elif asked.command == "list":
            show()
        else:
            ensure_packages((*PACKAGES, *BROWSER))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def up(where: Path, suite: str, count: int) -> None:
    """Boots the hosts and writes what reaches them into the directory."""
    if count < 1:
        raise LabError(f"HOSTS: should be at least 1, got {count}")
    if where.exists():
        raise LabError(f"{where} is there already: `make lab-down` first")
    where.mkdir(mode=0o700)
    try:
        lab = Lab(kept=where.resolve())
        hosts = lab.boot(*[suite] * count)
        key, known_hosts = where.resolve() / "id_ed25519", where.resolve() / "known_hosts"
        shutil.copy(lab.claim.key, key)
        shutil.copy(lab.claim.known_hosts, known_hosts)
        write_hosts_yml(where / "hosts.yml", hosts, ssh_key=str(key), ssh_known_hosts_file=str(known_hosts))
        (where / "hosts.state").mkdir(mode=0o700)  # nothing that was ever recorded is of these hosts
    except BaseException:
        down(where)
        raise
    print(HELP.format(count=count, suite=suite, where=where, address=hosts[0].address))


def down(where: Path) -> None:
    """Ends the hosts that were booted into the directory, and removes it. Nothing there is no error."""
    for claim in claims():
        if claim.record.get("kept") == str(where.resolve()):
            release(claim)
    if where.exists():
        shutil.rmtree(where)


def show() -> None:
    """Every lab on this machine: its subnet, who it belongs to, how many hosts run."""
    for claim in claims():
        owner = claim.record.get("kept") or f"process {claim.record.get('owner')}"
        running = len(host_pids(claim.directory))
        print(f"{claim.network}  {running} hosts  {owner}{'' if claim.alive else ' (gone)'}")


if __name__ == "__main__":
    sys.exit(main())
