"""What a host should have, from its settings, its state and the secrets. Pure; compare.py compares both."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from noevict.acl import profiles
from noevict.engines.engine import Server
from noevict.engines.package_layout import Layout
from noevict.errors import NoevictError
from noevict.machine.addresses import Address, leased_addresses, lent_addresses, private_addresses
from noevict.machine.files import WantedFile
from noevict.machine.sysctl import KERNEL, SYSCTL
from noevict.pki.certificate import UserCertificate, normalise
from noevict.pki.host_names import Owner, nobody
from noevict.platforms.systemd.found import InstanceState
from noevict.redisconf import render as conf
from noevict.secrets.store import Secrets
from noevict.server import password_rotation
from noevict.server.space import MIB
from noevict.settings.model import Settings
from noevict.settings.validators import LOOPBACK, MOST_ADDRESSES
from noevict.templates import render

LEASE_SECONDS = 60  # how long a start waits for the addresses that the host gets by DHCP

# systemd waits until a server has loaded its data, and no limit suits everybody's data: 100 GB take a quarter of an
# hour, a terabyte takes hours, and a server that is killed at a limit begins again, for ever.
START_LIMIT = "infinity"
RESTART_SECONDS = 3
NOFILE = 65535  # as in the package's unit
OOM_SCORE_ADJUST = -900  # of -1000 to 1000; sshd has -1000
ETC_MODE = "3770"
# The properties of the unit that the drop-in sets, as `systemctl show` prints them.
UNIT = {
    "TimeoutStartUSec": START_LIMIT,
    "RestartUSec": f"{RESTART_SECONDS}s",
    "LimitNOFILE": str(NOFILE),
    "OOMScoreAdjust": str(OOM_SCORE_ADJUST),
}


@dataclass(frozen=True)
class Target:
    """Everything a host should have, except its certificate, which the plan judges by the present one."""

    layout: Layout
    server: Server  # the one that reads the files next
    maxmemory: int  # bytes
    bind: tuple[str, ...]
    leased: tuple[str, ...]  # addresses of ``bind`` that the host has for a time (DHCP)
    unbound: tuple[str, ...]  # leased private addresses of the host for which Redis has no room
    lent: tuple[tuple[str, str], ...]  # leased address -> the other host that hosts.yml gives it to
    names: tuple[str, ...]  # the names that the certificate covers
    claimed: tuple[
        tuple[str, str], ...
    ]  # name that the host claims -> its owner by hosts.yml; "" for a wildcard
    owner: Owner  # which other host has a name
    ca: str  # PEM: the CAs that clients trust for the server, and the server for its clients
    config: Mapping[str, str] = field(repr=False)  # directive -> value in redis.conf
    # For the server that runs, which may be another release:
    live: Mapping[str, str] = field(repr=False)  # directive -> value that CONFIG GET should report
    probed_defaults: Mapping[str, str] | None = field(repr=False)  # if the release was not measured
    users: tuple[profiles.User, ...] = field(repr=False)
    files: tuple[WantedFile, ...] = field(repr=False)

    def text(self, path: str) -> str:
        """Return the wanted content of a file. Raise StopIteration for a path that is not wanted."""
        return next(file.content for file in self.files if file.path == path and file.content is not None)

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file's wanted content, lower-case hex."""
        return hashlib.sha256(self.text(path).encode()).hexdigest()


def make_target(
    host: str,
    layout: Layout,
    settings: Settings,
    state: InstanceState,
    secrets: Secrets,
    user_certificate: UserCertificate | None,
    server: Server,
    ssh_hostname: str,
    probed_defaults: Mapping[str, str] | None = None,
    running: Server | None = None,
    owner: Owner = nobody,
) -> Target:
    """Return what ``host`` should have once ``server`` runs on it. ``ssh_hostname``: the name or address SSH uses.

    ``running``: the server that runs until then, if it is another one; ``probed_defaults``: its defaults (else
    ``server``'s), if its release was not measured.
    """
    running = running or server
    maxmemory = wanted_maxmemory(settings, state)
    lent = lent_addresses(state.machine.addresses, owner)
    usable = tuple(entry for entry in state.machine.addresses if entry.address not in dict(lent))
    bind = wanted_bind(settings, usable)
    chosen = settings.bind_addresses is None
    leased = leased_addresses(bind) if chosen else ()
    possible = leased_addresses(private_addresses(usable)) if chosen else ()
    digests = secrets.digests(profiles.user_names(settings.redis_users))
    names, claimed = wanted_names(host, settings, state, bind, ssh_hostname, owner)
    older = password_rotation.kept(secrets, state)

    def configure(each: Server) -> tuple[dict[str, str], tuple[profiles.User, ...]]:
        config = conf.wanted(
            settings, layout, each, maxmemory=maxmemory, bind=bind, systemd=state.machine.systemd
        )
        return config, profiles.wanted_users(settings.redis_users, digests, each, older)

    config, users = live, live_users = configure(server)
    if running != server:
        live, live_users = configure(running)
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
        claimed if user_certificate is None else (),  # we only sign with the fleet's CA
        owner,
        wanted_ca(secrets, user_certificate),
        config,
        conf.wanted_live(live, running, probed_defaults),
        probed_defaults if running == server else None,
        live_users,
        wanted_files(layout, texts),
    )


def wanted_maxmemory(settings: Settings, state: InstanceState) -> int:
    """Return bytes: the absolute setting, else a share of the RAM detected, rounded down to whole MiB."""
    if settings.maxmemory_bytes is not None:
        return settings.maxmemory_bytes
    return state.memory * settings.redis_maxmemory_percent // 100 // MIB * MIB


def wanted_bind(settings: Settings, addresses: tuple[Address, ...]) -> tuple[str, ...]:
    """Return the words of redis.conf's ``bind``: those in the setting, or loopback and the host's private addresses.

    Leased addresses get the room that permanent ones leave, so that a DHCP server (or a fake router) cannot prevent a
    deploy. Raise NoevictError if there are more permanent ones than Redis takes.
    """
    if settings.bind_addresses is not None:
        return settings.bind_addresses
    private = private_addresses(addresses)
    leased = [word for word in private if word.startswith("-")]
    room = MOST_ADDRESSES - len(LOOPBACK) - (len(private) - len(leased))
    if room < 0:
        raise NoevictError(
            f"redis_bind: should be at most {MOST_ADDRESSES} addresses, got {MOST_ADDRESSES - room} (loopback and all "
            "permanent private ones of this host): name the ones to listen on"
        )
    left = set(leased[room:])
    return (*LOOPBACK, *(word for word in private if word not in left))


def wanted_names(
    host: str,
    settings: Settings,
    state: InstanceState,
    bind: tuple[str, ...],
    ssh_hostname: str,
    owner: Owner = nobody,
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the names and addresses that clients may use, all in the certificate, and names that it may not claim.

    Names that hosts.yml gives to this host are always included. Names that the host reports, and addresses that it
    binds, are not included if hosts.yml gives them to another host, nor are wildcards.
    """
    plain = "" if host.startswith("@") else host
    bound = (address.removeprefix("-") for address in bind)
    given = (plain, ssh_hostname, settings.redis_address or "", "localhost", *settings.redis_tls_names)
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
        # An optional address that the host does not have is not a claim.
        tuple((name, other) for name, other in others.items() if name in claims),
    )


def wanted_ca(secrets: Secrets, user_certificate: UserCertificate | None) -> str:
    """Return the fleet's CA, which signs clients' certificates too; after the user's CA, if there is one."""
    fleet = secrets.ca.certificate_pem
    return fleet if user_certificate is None else f"{user_certificate.ca.rstrip()}\n{fleet}"


def wanted_files(layout: Layout, texts: Mapping[str, str]) -> tuple[WantedFile, ...]:
    """Return all files except TLS files, directories first. Redis writes to redis.conf's directory (CONFIG REWRITE)."""
    user = layout.user
    return (
        # It belongs to root, and is sticky: the server can write its own files, but not replace root's.
        WantedFile(layout.etc, "root", user, ETC_MODE, directory=True),
        WantedFile(layout.data, user, user, "750", directory=True),
        WantedFile(layout.dropin.rpartition("/")[0], "root", "root", "755", directory=True),
        WantedFile(layout.conf, user, user, "640", texts[layout.conf]),
        WantedFile(layout.aclfile, user, user, "640", texts[layout.aclfile]),
        WantedFile(layout.dropin, "root", "root", "644", texts[layout.dropin]),
        WantedFile(SYSCTL, "root", "root", "644", texts[SYSCTL]),
    )


def logs_directory(layout: Layout) -> WantedFile:
    """Return the directory of the server's logs as its package makes it. It is made again only if it is missing."""
    return WantedFile(layout.logs, layout.user, "adm", "2750", directory=True)


def tls_files(layout: Layout) -> tuple[WantedFile, ...]:
    """Return the files of the certificate, the directory first."""
    return (
        WantedFile(layout.tls, "root", layout.user, "750", directory=True),
        WantedFile(f"{layout.tls}/ca.crt", "root", layout.user, "644"),
        WantedFile(f"{layout.tls}/server.crt", "root", layout.user, "644"),
        WantedFile(f"{layout.tls}/server.key", "root", layout.user, "640"),
    )
