"""A provisioned host, as the plan sees it: its captured look, its server's report, the secrets it was made with."""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from noevict.acl.profiles import user_names
from noevict.acl.rules import Catalogue
from noevict.client.client import server_of
from noevict.engines.engine import Server
from noevict.engines.package_layout import LAYOUTS, Layout
from noevict.machine.found import File, MachineState
from noevict.pki.authority import Authority, make_ca
from noevict.pki.certificate import Certificate, UserCertificate
from noevict.plan.plan import Plan
from noevict.platforms.systemd.compare import make_plan
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import Target, make_target
from noevict.secrets.passwords import HOST_SECRET
from noevict.secrets.store import Secrets
from noevict.server.live import Live, Reach
from noevict.settings.model import Settings, build_settings
from tests.unit.looks.captured import HOSTS, PASSWORDS, edited, read_one, reported

MACHINE = {field.name for field in dataclasses.fields(MachineState)}


@dataclass(frozen=True)
class Managed:
    """One host in one run. ``but`` gives the same with something else in it; ``plan`` is what is then due."""

    name: str
    settings: Settings
    state: InstanceState
    secrets: Secrets
    now: datetime
    own: UserCertificate | None = None

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.settings.redis_engine]

    @property
    def server(self) -> Server:
        """The release installed, or that would be."""
        return self.state.release(self.layout) or Server(self.layout.engine.name, self.layout.engine.oldest)

    @property
    def target(self) -> Target:
        return make_target(
            self.name, self.layout, self.settings, self.state, self.secrets, self.own, self.server, ""
        )

    @property
    def plan(self) -> Plan:
        return make_plan(self.settings, self.state, self.target, self.secrets, self.own, self.now)

    def but(self, live: Mapping[str, Any] | None = None, **fields: Any) -> "Managed":
        """With other fields of the state, of its machine, and of its ``live``."""
        machine = {name: fields.pop(name) for name in MACHINE & fields.keys()}
        state = replace(self.state, machine=replace(self.state.machine, **machine), **fields)
        return replace(self, state=replace(state, live=replace(self.state.live, **(live or {}))))

    def but_package(self, name: str, version: str) -> "Managed":
        """With another version of a package installed."""
        package = replace(self.state.machine.packages[name], version=version)
        return self.but(packages={**self.state.machine.packages, name: package})

    def but_file(self, path: str, **fields: Any) -> "Managed":
        """With another owner, mode, ... of one file; ``gone=True`` for none."""
        files = dict(self.state.files)
        file = files.pop(path, File(path, "regular file", "root", "root", "644"))
        if not fields.pop("gone", False):
            files[path] = replace(file, **fields)
        return self.but(files=files)

    def but_config(self, **config: str) -> "Managed":
        """With other values of CONFIG GET; ``_`` stands for ``-``."""
        changed = {name.replace("_", "-"): value for name, value in config.items()}
        return self.but({"config": {**self.state.live.config, **changed}})

    def but_info(self, **info: object) -> "Managed":
        return self.but({"info": {**self.state.live.info, **info}})

    def but_acl(self, *lines: str, without: str = "") -> "Managed":
        """With these lines for or beside the lines of ACL LIST, by user; without that user."""
        users = {line.split()[1]: line for line in (*self.state.live.acl, *lines)}
        users.pop(without, None)
        return self.but({"acl": tuple(users.values())})

    def but_set(self, **settings: Any) -> "Managed":
        """With other settings, beside its engine; and passwords for the users in them."""
        asked = build_settings(self.name, {"redis_engine": HOSTS[self.name], **settings})
        return replace(
            self, settings=asked, secrets=self.secrets.draft_passwords(user_names(asked.redis_users))
        )


@functools.cache
def managed(name: str, **settings: Any) -> Managed:
    """The host as captured. What only a change of noevict itself would make differ (templates/, profiles, defaults)
    is as that noevict would have left it: files by their digests, redis.conf, live values, ACL users."""
    asked = build_settings(name, {"redis_engine": HOSTS[name], **settings})
    state = replace(
        read_one(edited(name)), candidate=".".join(map(str, server_of(reported(name)["info"]).version))
    )
    bare = Managed(
        name,
        asked,
        state,
        _secrets(name, state),
        datetime.fromtimestamp(state.machine.time, UTC) + timedelta(hours=1),
    )
    assert bare.secrets.host is not None
    state = replace(state, machine=replace(state.machine, id=bare.secrets.host.id))
    bare = replace(bare, state=state)
    target, found = bare.target, reported(name)
    certificate = Certificate.parse(state.certificate or "")
    assert certificate is not None
    live = Live(
        Reach.TLS,
        user="admin",
        port=6379,
        certificate=certificate.parsed.public_bytes(Encoding.DER),
        server=target.server,
        config={**found["config"], **target.live},
        acl=tuple(f"user {user.name} {' '.join(user.words)}" for user in target.users),
        catalogue=_catalogue(found),
        info=found["info"],
    )
    files = {
        wanted.path: replace(state.files[wanted.path], sha256=target.digest(wanted.path))
        for wanted in target.files
        if wanted.content is not None
    }
    conf = target.text(target.layout.conf)
    return replace(bare, state=replace(state, files={**state.files, **files}, conf=conf, live=live))


def fresh(name: str = "fresh", **settings: Any) -> Managed:
    """The host that nothing was done to yet."""
    state = replace(read_one(edited(name)), candidate="5:8.0.2-3")
    now = datetime.fromtimestamp(state.machine.time, UTC)
    return Managed(name, build_settings(name, settings), state, _secrets(name, None), now)


def _secrets(name: str, state: InstanceState | None) -> Secrets:
    """With the CA of the host, if there is one. Its key differs: no plan signs anything."""
    ca = make_ca(datetime.now(UTC))
    if state is not None and state.ca is not None:
        ca = Authority(x509.load_pem_x509_certificate(state.ca.encode()), ca.key)
    secrets = Secrets(Path("secrets"), ca, {**PASSWORDS, HOST_SECRET: "secret-of-hosts"})
    own = secrets.known_host(name)
    return own if state is None else secrets.of_host(replace(own.host, has_id=True))


def _catalogue(found: Mapping[str, Any]) -> Catalogue:
    categories = tuple((name, frozenset(members)) for name, members in found["categories"].items())
    return Catalogue(frozenset(found["commands"]), categories)
