"""What a host should have: from its settings, what it is, and the secrets. Pure; plan.py compares it with what is."""

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from noevict.acl import profiles
from noevict.engines.engine import Server
from noevict.engines.layout import LAYOUTS, Layout
from noevict.errors import NoevictError
from noevict.machine.files import WantedFile
from noevict.machine.found import Address
from noevict.machine.sysctl import KERNEL
from noevict.pki.certificate import UserCertificate, normalise
from noevict.pki.host_names import Owner, nobody
from noevict.platforms.systemd.found import InstanceState
from noevict.redisconf import render as conf
from noevict.secrets.store import Secrets
from noevict.server import password_rotation
from noevict.settings.model import Settings
from noevict.settings.validators import LOOPBACK, MOST_ADDRESSES
from noevict.templates import render

MIB = 1 << 20
# The container bridges and links of Docker, Podman, CNI, LXC, libvirt: addresses of theirs are not the host's.
BRIDGES = ("docker", "br-", "cni", "veth", "virbr", "lxcbr", "lxdbr", "podman", "flannel", "cali", "kube")
PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
LEASE_SECONDS = 60  # how long a start waits for the addresses that the host gets by DHCP

# A server is started when its data is loaded, and no limit is right for everybody's data: 100 GB take a quarter of an
# hour, a terabyte hours, and one that is ended at a limit begins again, for ever.
START_LIMIT = "infinity"
RESTART_SECONDS = 3
NOFILE = 65535  # the package's own
OOM_SCORE_ADJUST = -900  # of -1000 to 1000; sshd has -1000
ETC_MODE = "3770"
SYSCTL = "/etc/sysctl.d/60-noevict.conf"
PREVIOUS = password_rotation.DIRECTORY
KEPT = f"{PREVIOUS}/good"  # the last configuration that worked, while a new one has not shown that it does
TAKEOVER = f"{PREVIOUS}/takeover"  # how the host was, while a take-over has not shown that it works
UNVERIFIED = (KEPT, TAKEOVER)
# The properties of the unit that the drop-in sets, as `systemctl show` tells them.
UNIT = {
    "TimeoutStartUSec": START_LIMIT,
    "RestartUSec": f"{RESTART_SECONDS}s",
    "LimitNOFILE": str(NOFILE),
    "OOMScoreAdjust": str(OOM_SCORE_ADJUST),
}


@dataclass(frozen=True)
class Target:
    """Everything a host should have, but for its certificate, which the plan judges by what is there."""

    layout: Layout
    server: Server  # that reads the files next
    maxmemory: int  # bytes
    bind: tuple[str, ...]
    leased: tuple[str, ...]  # of these: the addresses that the host has for a time (DHCP)
    unbound: tuple[str, ...]  # leased private addresses of its own for which Redis has no room
    lent: tuple[tuple[str, str], ...]  # leased address -> the other host that hosts.yml gives it to
    names: tuple[str, ...]  # that the certificate covers
    claimed: tuple[
        tuple[str, str], ...
    ]  # what the host claims -> whose it is by hosts.yml; "" for a wildcard
    owner: Owner  # which other host has a name
    ca: str  # PEM: whose signatures clients, and the server of its clients, accept
    config: Mapping[str, str] = field(repr=False)  # directive -> value: what redis.conf says
    # Of the server that runs, which may be another release:
    live: Mapping[str, str] = field(repr=False)  # directive -> value: what CONFIG GET should say
    fresh: Mapping[str, str] | None = field(repr=False)  # the defaults, where the release was not measured
    users: tuple[profiles.User, ...] = field(repr=False)
    files: tuple[WantedFile, ...] = field(repr=False)

    def text(self, path: str) -> str:
        """The wanted content of a file. Raises StopIteration for a path that is not wanted."""
        return next(file.content for file in self.files if file.path == path and file.content is not None)

    def digest(self, path: str) -> str:
        """SHA-256 of it, lower-case hex."""
        return hashlib.sha256(self.text(path).encode()).hexdigest()


def make_target(
    host: str,
    settings: Settings,
    state: InstanceState,
    secrets: Secrets,
    own: UserCertificate | None,
    server: Server,
    ssh_hostname: str,
    fresh: Mapping[str, str] | None = None,
    running: Server | None = None,
    owner: Owner = nobody,
) -> Target:
    """What ``host`` should have once ``server`` runs on it. ``ssh_hostname``: the name or address SSH uses.

    ``running``: the server that runs until then, where it is another; ``fresh``: its own defaults (else
    ``server``'s), where its release was not measured.
    """
    running = running or server
    layout = LAYOUTS[settings.redis_engine]
    maxmemory = wanted_maxmemory(settings, state)
    lent = lent_addresses(state.machine.addresses, owner)
    own_addresses = tuple(entry for entry in state.machine.addresses if entry.address not in dict(lent))
    bind = wanted_bind(settings, own_addresses)
    chosen = settings.bind_addresses is None
    leased = leased_addresses(bind) if chosen else ()
    possible = leased_addresses(private_addresses(own_addresses)) if chosen else ()
    digests = secrets.digests(profiles.user_names(settings.redis_users))
    names, claimed = wanted_names(host, settings, state, bind, ssh_hostname, owner)
    older = password_rotation.kept(secrets, state)

    def said_to(each: Server) -> tuple[dict[str, str], tuple[profiles.User, ...]]:
        config = conf.wanted(
            settings, layout, each, maxmemory=maxmemory, bind=bind, systemd=state.machine.systemd
        )
        return config, profiles.wanted_users(settings.redis_users, digests, each, older)

    config, users = live, live_users = said_to(server)
    if running != server:
        live, live_users = said_to(running)
    texts = {
        layout.conf: conf.render(config, server, layout),
        layout.aclfile: profiles.render_acl(users),
        layout.dropin: render(
            "noevict.conf",
            start_limit=START_LIMIT,
            restart_seconds=RESTART_SECONDS,
            nofile=NOFILE,
            oom_score_adjust=OOM_SCORE_ADJUST,
            leased=leased,
            lease_seconds=LEASE_SECONDS,
        ),
        SYSCTL: render("60-noevict.conf", **KERNEL),
    }
    return Target(
        layout,
        server,
        maxmemory,
        bind,
        leased,
        tuple(address for address in possible if address not in leased),
        lent,
        names,
        claimed if own is None else (),  # of another's CA nothing is signed
        owner,
        wanted_ca(secrets, own),
        config,
        conf.wanted_live(live, running, fresh),
        fresh if running == server else None,
        live_users,
        wanted_files(layout, texts),
    )


def wanted_maxmemory(settings: Settings, state: InstanceState) -> int:
    """In bytes: the absolute setting, else a share of the RAM detected, in whole MiB rounded down."""
    if settings.maxmemory_bytes is not None:
        return settings.maxmemory_bytes
    return state.memory * settings.redis_maxmemory_percent // 100 // MIB * MIB


def wanted_bind(settings: Settings, addresses: tuple[Address, ...]) -> tuple[str, ...]:
    """The words of redis.conf's ``bind``: those given, or loopback and the host's private addresses.

    Leased ones get the room that permanent ones leave: whoever leases addresses to a host (or answers for a router)
    cannot keep it from being deployed. Raises NoevictError if permanent ones are more than Redis takes.
    """
    if settings.bind_addresses is not None:
        return settings.bind_addresses
    private = private_addresses(addresses)
    leased = [word for word in private if word.startswith("-")]
    room = MOST_ADDRESSES - len(LOOPBACK) - (len(private) - len(leased))
    if room < 0:
        raise NoevictError(
            f"redis_bind: should be at most {MOST_ADDRESSES} addresses, got {MOST_ADDRESSES - room} (loopback and all "
            "permanent private ones of this host): name those to listen on"
        )
    left = set(leased[room:])
    return (*LOOPBACK, *(word for word in private if word not in left))


def lent_addresses(addresses: tuple[Address, ...], owner: Owner) -> tuple[tuple[str, str], ...]:
    """Leased addresses that hosts.yml gives to another host, with that host's name.

    A host cannot refuse a lease, so that one is no fault; it is neither bound nor signed.
    """
    permanent = {entry.address for entry in addresses if not entry.leased}
    leased = dict.fromkeys(entry.address for entry in addresses if entry.leased)
    return tuple(
        (each, other) for each in leased if each not in permanent and (other := owner(each)) is not None
    )


def private_addresses(addresses: tuple[Address, ...]) -> tuple[str, ...]:
    """RFC 1918 and ULA addresses that are not a container bridge's, as words of ``bind``, in a fixed order, IPv4 first.

    A leased one is optional (``-10.0.0.5``): a server starts without it.
    """
    own = [entry for entry in addresses if not entry.device.partition("@")[0].startswith(BRIDGES)]
    permanent = {ipaddress.ip_address(entry.address) for entry in own if not entry.leased}
    found = {ipaddress.ip_address(entry.address) for entry in own}
    private = [a for a in found if any(a in network for network in PRIVATE if network.version == a.version)]
    ordered = sorted(private, key=lambda a: (a.version, a))
    return tuple(str(address) if address in permanent else f"-{address}" for address in ordered)


def leased_addresses(bind: Iterable[str]) -> tuple[str, ...]:
    """Those of ``wanted_bind`` that the host has for a time, of which private_addresses says so."""
    return tuple(word.removeprefix("-") for word in bind if word.startswith("-") and word not in LOOPBACK)


def wanted_names(
    host: str,
    settings: Settings,
    state: InstanceState,
    bind: tuple[str, ...],
    ssh_hostname: str,
    owner: Owner = nobody,
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The names and addresses that clients may use: each is in the certificate. And what the host claims in vain.

    What hosts.yml gives to this host is always its own. Of what the host says of itself, and what it binds, nothing is
    that hosts.yml gives to another host, and no wildcard.
    """
    own = "" if host.startswith("@") else host
    bound = (address.removeprefix("-") for address in bind)
    given = (own, ssh_hostname, settings.redis_address or "", "localhost", *settings.redis_tls_names)
    named = (*given[:3], *state.machine.names, *given[3:])
    everywhere = ("*", "::*", "0.0.0.0", "::")  # noqa: S104 - words of redis.conf, bound nowhere here
    addresses = [address for address in bound if address not in everywhere]
    if len(addresses) < len(bind):
        addresses += [*LOOPBACK[:1], "::1", *(entry.address for entry in state.machine.addresses)]
    possible = dict.fromkeys(name for name in (*named, *addresses) if name and normalise(name) is not None)
    others = {
        name: owner(name) or ""
        for name in possible
        if name not in given and (owner(name) or name.startswith("*"))
    }
    lent = dict(lent_addresses(state.machine.addresses, owner))
    claims = {
        *state.machine.names,
        *(entry.address for entry in state.machine.addresses if entry.address not in lent),
    }
    return (
        tuple(name for name in possible if name not in others),
        # One that is only listened on if it is there, and is not, is no claim.
        tuple((name, other) for name, other in others.items() if name in claims),
    )


def wanted_ca(secrets: Secrets, own: UserCertificate | None) -> str:
    """The fleet's CA, which signs clients' certificates too; after the user's own, where there is one."""
    fleet = secrets.ca.certificate_pem
    return fleet if own is None else f"{own.ca.rstrip()}\n{fleet}"


def wanted_files(layout: Layout, texts: Mapping[str, str]) -> tuple[WantedFile, ...]:
    """All but TLS files, directories first. Redis writes redis.conf and its directory (CONFIG REWRITE)."""
    user = layout.user
    return (
        # Root's, and sticky: the server writes its own files, and cannot replace root's.
        WantedFile(layout.etc, "root", user, ETC_MODE, directory=True),
        WantedFile(layout.data, user, user, "750", directory=True),
        WantedFile(layout.dropin.rpartition("/")[0], "root", "root", "755", directory=True),
        WantedFile(layout.conf, user, user, "640", texts[layout.conf]),
        WantedFile(layout.aclfile, user, user, "640", texts[layout.aclfile]),
        WantedFile(layout.dropin, "root", "root", "644", texts[layout.dropin]),
        WantedFile(SYSCTL, "root", "root", "644", texts[SYSCTL]),
    )


def tls_files(layout: Layout) -> tuple[WantedFile, ...]:
    """What the certificate's own part makes, the directory first."""
    return (
        WantedFile(layout.tls, "root", layout.user, "750", directory=True),
        WantedFile(f"{layout.tls}/ca.crt", "root", layout.user, "644"),
        WantedFile(f"{layout.tls}/server.crt", "root", layout.user, "644"),
        WantedFile(f"{layout.tls}/server.key", "root", layout.user, "640"),
    )
