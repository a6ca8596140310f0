"""The checked settings of one host. group_data/all.py is their manual; a test keeps the two equal.

A field's description is the end of the sentence "should be ..." that answers a mistake in it.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from noevict.directives.lists import Save
from noevict.engines.engine import ENGINES, Engine
from noevict.errors import NoevictError
from noevict.inventory.reader import Inventory, scan_fleet
from noevict.messages import displayed, kind, nearest, unquoted
from noevict.settings.validators import (
    LOOPBACK,
    Mistakes,
    addresses,
    certificate_names,
    check_bind,
    check_config,
    check_queues,
    check_users,
    endpoint,
    file_path,
    is_unicode,
    link,
    size,
    to_bytes,
)

PREFIX = "redis_"
Port = Annotated[int, Field(ge=1, le=65535)]
FilePath = Annotated[str, AfterValidator(file_path)]


class Settings(BaseModel):
    """What a host should be, validated, with defaults filled in."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    redis_engine: Literal["redis", "valkey"] = Field("redis", description='"redis" or "valkey"')
    redis_port: Port = Field(6379, description="a port from 1 to 65535")
    redis_plaintext_port: int = Field(0, ge=0, le=65535, description="a port from 1 to 65535, or 0 for none")
    redis_bind: Annotated[str | tuple[str, ...], BeforeValidator(check_bind)] = Field(
        "private",
        description='"private", "loopback", or addresses as redis.conf takes them ("127.0.0.1 -::1 10.0.0.5")',
    )
    redis_address: Annotated[str, AfterValidator(endpoint)] | None = Field(
        None, description="a DNS name or an address, without a port, or None"
    )
    redis_connect: Literal["ssh", "direct"] = Field("ssh", description='"ssh" or "direct"')

    redis_maxmemory_percent: int = Field(80, ge=1, le=95, description="a whole number from 1 to 95")
    redis_maxmemory: Annotated[int | str, AfterValidator(size)] | None = Field(
        None, description='a size of 1mb or more ("1600mb", "2gb", or bytes as a number), or None'
    )
    redis_maxmemory_policy: Literal[
        "noeviction",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] = Field(
        "noeviction", description='"noeviction", or another maxmemory-policy that Redis and Valkey know'
    )
    redis_allow_eviction: bool = Field(False, description="True or False")

    redis_save: Annotated[str, AfterValidator(Save().canonical)] = Field(
        "3600 1 300 100 60 10000",
        description='pairs of seconds and changes ("3600 1 300 100"), or "" for no RDB',
    )
    redis_appendonly: bool = Field(True, description="True or False")
    redis_appendfsync: Literal["always", "everysec", "no"] = Field(
        "everysec", description='"always", "everysec" or "no" (in quotes)'
    )

    redis_tls_auth_clients: Literal["no", "yes", "optional"] = Field(
        "no", description='"no", "yes" or "optional" (in quotes)'
    )
    redis_tls_names: Annotated[tuple[str, ...], BeforeValidator(certificate_names)] = Field(
        (), description="a list of DNS names or addresses"
    )
    redis_tls_cert: FilePath | None = Field(None, description="the path of a file on this machine, or None")
    redis_tls_key: FilePath | None = Field(None, description="the path of a file on this machine, or None")
    redis_tls_ca: FilePath | None = Field(None, description="the path of a file on this machine, or None")

    # Both may have values that should not be on a screen.
    redis_users: Annotated[dict[str, Any], BeforeValidator(check_users)] = Field(
        default_factory=dict, repr=False, description="a mapping: user's name -> profile or rules"
    )
    redis_config: Annotated[dict[str, Any], BeforeValidator(check_config)] = Field(
        default_factory=dict, repr=False, description="a mapping: redis.conf directive -> value"
    )

    redis_queues: Annotated[tuple[str, ...], BeforeValidator(check_queues)] = Field(
        (), description="a list of names of BullMQ queues"
    )
    redis_exporter_port: Port = Field(9121, description="a port from 1 to 65535")
    redis_runbooks: Annotated[str, AfterValidator(link)] = Field(
        "docs/runbooks",
        description='a URL ("https://git.example.com/.../docs/runbooks") or a path, without spaces',
    )

    redis_takeover: bool = Field(False, description="True or False")
    redis_restart_at_once: int = Field(1, ge=1, le=1000, description="a whole number of hosts from 1 to 1000")

    @property
    def engine(self) -> Engine:
        return ENGINES[self.redis_engine]

    @property
    def bind_addresses(self) -> tuple[str, ...] | None:
        """The addresses in the form of redis.conf; None means loopback and the host's private ones."""
        if self.redis_bind == "private":
            return None
        return LOOPBACK if self.redis_bind == "loopback" else addresses(self.redis_bind)

    @property
    def maxmemory_bytes(self) -> int | None:
        """The absolute size in bytes, which wins over the percentage; None if only the percentage is set."""
        return None if self.redis_maxmemory is None else to_bytes(self.redis_maxmemory)

    @property
    def saves(self) -> tuple[tuple[int, int], ...]:
        """The RDB save points, each (seconds, changes)."""
        numbers = [int(number) for number in self.redis_save.split()]
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))


Place = Callable[[str], str]


def settings_of(fleet: Inventory, host: str) -> Settings:
    """Build the settings of one host of a fleet: a mistake names its file and line."""
    return build_settings(host, fleet.data(host), partial(fleet.place, host))


def build_settings(host: str, data: Mapping[str, Any], place: Place = lambda _: "") -> Settings:
    """Build the settings from a host's data; keys that do not begin with ``redis_`` are ignored.

    ``place``: setting -> where it was set, for reporting mistakes; "" if that is not known.

    Raise NoevictError with every mistake of that host, a line each: ``HOST: setting: should be X, got Y``.
    """
    settings, mistakes = _check(host, data, place)
    if mistakes:
        raise NoevictError.collect(mistakes)
    return settings


def check_fleet(fleet: Inventory) -> dict[str, Settings]:
    """Build the settings of every host. Raise NoevictError with all mistakes of all hosts."""
    settings, mistakes = _check_all(fleet)
    if mistakes:
        raise NoevictError.collect(mistakes)
    return settings


def read_settings(root: Path, hosts_file: Path | None = None) -> tuple[Inventory, dict[str, Settings]]:
    """Do ``read_fleet`` and ``check_fleet``, with the mistakes of both in one NoevictError."""
    fleet, misread = scan_fleet(root, hosts_file, Settings.model_fields)
    settings, mistakes = _check_all(fleet)
    if misread or mistakes:
        raise NoevictError.collect([*misread, *mistakes])
    return fleet, settings


def _check_all(fleet: Inventory) -> tuple[dict[str, Settings], list[str]]:
    settings: dict[str, Settings] = {}
    mistakes: list[str] = []
    for host in fleet.hosts:
        place = partial(fleet.place, host)
        settings[host], found = _check(host, fleet.data(host), place)
        mistakes += found + _missing_files(host, settings[host], fleet.root, place)
    return settings, mistakes


def _check(host: str, data: Mapping[str, Any], place: Place) -> tuple[Settings, list[str]]:
    """Return the settings without those that have mistakes, and the mistakes."""
    given = {name: value for name, value in data.items() if name.startswith(PREFIX)}
    wrong = {
        name: _answer(name, value, None) for name, value in given.items() if not is_unicode((name, value))
    }
    try:
        settings = Settings(**{name: value for name, value in given.items() if name not in wrong})
    except ValidationError as error:
        for each in error.errors():
            name = str(each["loc"][0])
            wrong.setdefault(name, _answer(name, given[name], each.get("ctx", {}).get("error")))
        settings = Settings(**{name: value for name, value in given.items() if name not in wrong})
    lines = [f"{host}: {line}{_at(place, name)}" for name, answers in wrong.items() for line in answers]
    return settings, lines + [
        f"{host}: {names[0]}: {answer}{_at(place, *names)}"
        for names, answer in _contradictions(settings)
        if wrong.keys().isdisjoint(names)
    ]


def _at(place: Place, *names: str) -> str:
    """Return where the first of the settings is set that is not a default."""
    places = sorted(filter(None, map(place, names)), key=lambda each: each.startswith("group_data/all.py"))
    where = next(iter(places), "")
    return f" ({where})" if where else ""


def _answer(name: str, value: object, cause: object) -> list[str]:
    """Return the lines about one setting. Values of users, directives and unknown settings are never repeated."""
    if isinstance(cause, Mistakes):
        return [f"{name}{line}" for line in cause.lines]
    field = Settings.model_fields.get(name)
    if field is None:
        known = nearest(name, Settings.model_fields)
        label = name if name.isprintable() else displayed(name)
        return [f"{label}: unknown setting{known}"]
    got = displayed(value) if field.repr else kind(value)
    return [f"{name}: should be {field.description}{_without_quotes(name, value)}, got {got}"]


def _without_quotes(name: str, value: object) -> str:
    plain = unquoted(value)
    given: dict[str, Any] = {name: plain}
    try:
        Settings(**given)
    except ValidationError:
        return ""
    return "" if plain is None else " (without quotes)"


def _contradictions(of: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the settings that contradict each other, the one to report first, and what it should be."""
    if of.redis_plaintext_port == of.redis_port:
        yield (
            ("redis_plaintext_port", "redis_port"),
            f"should be another port than redis_port, got {of.redis_port} for both",
        )
    for name in ("redis_port", "redis_plaintext_port"):
        if of.redis_exporter_port == getattr(of, name):
            yield (
                ("redis_exporter_port", name),
                f"should be another port than {name}, got {of.redis_exporter_port} for both",
            )
    if of.redis_maxmemory_policy != "noeviction" and not of.redis_allow_eviction:
        yield (
            ("redis_maxmemory_policy", "redis_allow_eviction"),
            'should be "noeviction": any other deletes jobs, sessions and locks when memory is full '
            "(redis_allow_eviction = True if all of it is a cache), "
            f"got {displayed(of.redis_maxmemory_policy)}",
        )
    if not of.redis_save and not of.redis_appendonly:
        yield (
            ("redis_appendonly", "redis_save"),
            "should be True if redis_save is empty: with neither AOF nor RDB a restart loses everything, got False",
        )
    files = ("redis_tls_cert", "redis_tls_key", "redis_tls_ca")
    missing = [name for name in files if getattr(of, name) is None]
    if len(missing) < len(files):
        for name in missing:
            yield (name, *sorted(files)), f"should be set too: {', '.join(files)} go together, got None"


def _missing_files(host: str, settings: Settings, root: Path, place: Place) -> list[str]:
    """Return a line for each file that is missing. Paths are relative to the directory of ``inventory``."""
    named = {name: getattr(settings, name) for name in ("redis_tls_cert", "redis_tls_key", "redis_tls_ca")}
    return [
        f"{host}: {name}: should be a file on this machine, got {displayed(path)} (not there){_at(place, name)}"
        for name, path in named.items()
        if path is not None and not (root / Path(path).expanduser()).is_file()
    ]
