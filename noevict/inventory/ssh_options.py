"""Checks SSH keys before hosts are connected to, and rewords failures to connect: a line each, with what to do next."""

import logging
from collections.abc import Iterable
from pathlib import Path

import paramiko

from noevict.inventory.hosts_file import LOCAL
from noevict.inventory.reader import Inventory
from noevict.messages import displayed

# pyinfra reports a changed host key in five lines; the last of them fails the host.
_BEFORE = (
    "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!",
    "Someone could be eavesdropping on you right now (man-in-the-middle attack)!",
    "If this is expected, you can remove the bad key using:",
    "ssh-keygen -R ",
    "No host key for ",
)
_CHANGED = " does not match."


def key_mistakes(fleet: Inventory, hosts: Iterable[str]) -> list[str]:
    """Return the mistakes in ``ssh_key`` of these hosts: for one, pyinfra would end the whole run with a traceback."""
    found = []
    for host in hosts:
        data = fleet.data(host)
        name = data.get("ssh_key")
        if host == LOCAL or not isinstance(name, str):
            continue
        for key, should in _problems(fleet.root, name, data.get("ssh_key_password")):
            got = f", got {displayed(name)}" if key == "ssh_key" else ", is not"
            found.append(f"{host}: {key}: should be {should}{got} ({fleet.place(host, key)})")
    return found


def _problems(root: Path, name: str, passphrase: str | None) -> Iterable[tuple[str, str]]:
    path = root / Path(name).expanduser()
    try:
        text = path.read_text("ascii", "replace")
    except FileNotFoundError:
        yield "ssh_key", "the file of a private key on this machine (it is not there)"
        return
    except OSError as error:
        yield "ssh_key", f"the file of a private key on this machine ({error.strerror})"
        return
    if "PRIVATE KEY-----" not in text:
        public = " (that is a public one)" if text.startswith(("ssh-", "ecdsa-", "sk-")) else ""
        yield "ssh_key", f"the file of a private key{public}"
    elif passphrase:
        try:
            paramiko.PKey.from_path(path, passphrase.encode())
        except (ValueError, paramiko.SSHException):
            yield "ssh_key_password", "the passphrase of ssh_key"
        except Exception:  # noqa: S110 - a kind of key that only pyinfra reads, or a missing passphrase
            pass


def reworded(text: str) -> str:
    """Reword a failure to connect, with what to do about a changed host key."""
    start, changed, rest = text.partition(_CHANGED)
    if not changed or "ost key for " not in start:
        return text
    host = start.rpartition(" ")[2]
    return (
        f"{start} is not the one in known_hosts: somebody may intercept the connection. Only if the host was "
        f"reinstalled: ssh-keygen -R {host} (with -f FILE for its ssh_known_hosts_file){rest}"
    )


class _OneLine(logging.Filter):
    """Puts each failure to connect on one line of pyinfra's log."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text.strip().startswith(_BEFORE):
            return False
        record.msg, record.args = reworded(text), ()
        return True


def shorten_log() -> None:
    """Install the filter, once."""
    logger = logging.getLogger("pyinfra")
    if not any(isinstance(each, _OneLine) for each in logger.filters):
        logger.addFilter(_OneLine())
