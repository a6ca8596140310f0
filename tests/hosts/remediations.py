"""The kinds of remediation: what is due, and what of it clients may notice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.hosts.deployment import engine_of
from tests.hosts.manual_changes import install_foreign
from tests.lab.checkout import Checkout
from tests.lab.host import Host


@dataclass(frozen=True)
class Remediation:
    """``manual_changes`` (for ``apply_changes``) and ``settings`` make it due. ``restarts``: it ends connections."""

    id: str
    manual_changes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    restarts: bool = False


# In this order on one host: each one's settings are the last one's no longer.
REMEDIATIONS = (
    Remediation("live values", ("redis: CONFIG SET hz 77 maxmemory-policy volatile-lru timeout 300",)),
    Remediation("AOF turned on", ("redis: CONFIG SET appendonly no",)),
    Remediation("AOF files rewritten", ("rm -r DATA/appendonlydir",)),
    Remediation("certificate", ("rm ETC/tls/server.crt",)),
    Remediation("key and certificate", ("rm -r ETC/tls",)),
    Remediation(
        "users",
        (
            "redis: ACL SETUSER intruder on nopass sanitize-payload ~* &* +@all",
            "redis: ACL SETUSER app +@all",
            "redis: ACL SETUSER default on >open-sesame ~* &* +@all",
        ),
    ),
    Remediation("a new user", settings={"redis_users": {"reader": "~* +@read"}}),
    Remediation(
        "files",
        (
            "sed -i 's/^maxmemory .*/maxmemory 1gb/' CONF",
            "chmod 644 ETC/users.acl",
            "echo >/etc/sysctl.d/60-noevict.conf",
        ),
    ),
    Remediation("plaintext port opened", settings={"redis_plaintext_port": 6380}),
    Remediation("plaintext port closed"),
    Remediation("addresses", ("redis: CONFIG SET bind *",)),
    Remediation("unit", ("rm -r /etc/systemd/system/UNIT.d", "systemctl disable UNIT")),
    Remediation("restart", settings={"redis_config": {"databases": 32}}, restarts=True),
)

PASSWORD = "open-sesame-of-old"
# A take-over at which clients of old stay on their port, without TLS and with their password.
TAKE_OVER: dict[str, Any] = {
    "redis_takeover": True,
    "redis_port": 6380,
    "redis_plaintext_port": 6379,
    "redis_users": {"default": "app"},
}


def install_old(checkout: Checkout, hosts: Sequence[Host]) -> None:
    """Servers of somebody else's, with a password that secrets/ knows."""
    for host in hosts:
        install_foreign(host, f"requirepass {PASSWORD}", engine=engine_of(host))
    checkout.secrets.mkdir(mode=0o700)
    checkout.write("secrets/users.yml", f"takeover: {PASSWORD}\n").chmod(0o600)
