"""Reads and extends ``users.yml``: lines of ``user: password``, and three entries that are not users.

==============  ==========================================================================================
takeover        the password of a foreign Redis: for all hosts, or for each by its name (see ``Takeover``)
host_secret     the passwords of admin, health and exporter are derived from it; no host ever gets it
generation      a number and a digest of the rest, by which an older copy is recognised
==============  ==========================================================================================

No message shows a password.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from noevict.acl.profiles import GENERATION, HOST_SECRET, TAKEOVER
from noevict.errors import NoevictError
from noevict.inventory import strict_yaml
from noevict.inventory.strict_yaml import Fault, Mistake, Places

# Printable ASCII except blank, quotes and backslash: once quoted, it is safe in URLs, shells and .env files.
# The password of a Redis to take over, and of its old clients, may be any text: somebody else chose it.
_PASSWORD = re.compile(r"[!#-&(-\[\]-_a-~]+")
_FOREIGN = (TAKEOVER, "default")
_FORM = "should be lines of USER: PASSWORD"
_TEXT = "should be text, in quotes if YAML reads it as more"
_ASCII = "printable ASCII without blanks, quotes and backslashes"
_GENERATION = re.compile(r"([1-9][0-9]{0,8}) ([0-9a-f]{32})")


@dataclass(frozen=True)
class Takeover:
    """The login at a foreign Redis; ``user`` is None if it only takes a password."""

    user: str | None
    password: str = field(repr=False)


@dataclass(frozen=True)
class Generation:
    """The generation of users.yml's content. Number 0 is a file that has none yet."""

    number: int = 0
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.number} {self.digest}"

    @classmethod
    def parse(cls, text: str) -> "Generation | None":
        found = _GENERATION.fullmatch(text)
        return cls(int(found[1]), found[2]) if found else None


@dataclass(frozen=True)
class Users:
    """The content of the file. ``passwords``: user → password, in its order, with ``host_secret``, and ``takeover`` if
    that is for all hosts. ``takeovers``: host → its takeover. ``written``: the generation in the file."""

    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    takeovers: dict[str, Takeover] = field(default_factory=dict, repr=False)
    written: Generation | None = None


def read(file: Path, text: str) -> Users:
    """Parse the file's text. Raise NoevictError with every mistake, by line."""
    document = strict_yaml.parse(text, ("a name",))
    if not isinstance(document.value, dict | None):
        raise NoevictError(f"{file}: {_FORM}")
    users, written = Users(), None
    mistakes = [(mistake.line or 0, _words(mistake)) for mistake in document.mistakes]
    for user, value in (document.value or {}).items():
        line = document.lines.get((user,), 0)
        if not line:  # merged from an alias
            mistakes.append((line, _FORM))
        elif user == GENERATION:
            written = Generation.parse(value) if isinstance(value, str) else None
            if written is None:
                mistakes.append((line, _wanted((user,))))
        elif user == TAKEOVER and isinstance(value, dict):
            mistakes += [
                (document.lines.get((user, host), line), words)
                for host, words in _read_takeovers(value, users.takeovers)
            ]
        elif not isinstance(value, str):
            mistakes.append((line, _wanted((user,))))
        elif not (_PASSWORD.fullmatch(value) or (user in _FOREIGN and value)):
            mistakes.append((line, f"the password of {user} should be {_ASCII}, and not empty"))
        else:
            users.passwords[user] = value
    if mistakes:
        # A value from which the YAML reader removed a mistake may be another mistake, on the same line.
        lines = dict.fromkeys(sorted(mistakes, key=lambda each: each[0]))
        raise NoevictError(
            *(f"{file}:{line}: {words}" if line else f"{file}: {words}" for line, words in lines)
        )
    return Users(users.passwords, users.takeovers, written)


def parse(file: Path, text: str) -> dict[str, str]:
    """Return user → password, in the file's order. NoevictError has every mistake, by line."""
    return read(file, text).passwords


def digest(passwords: Mapping[str, str], takeovers: Mapping[str, Takeover]) -> str:
    """Return a digest of the file without its generation. Without the host secret it says nothing about passwords."""
    foreign = {host: [each.user, each.password] for host, each in takeovers.items()}
    text = json.dumps([dict(passwords), foreign], sort_keys=True)
    return hmac.digest(passwords.get(HOST_SECRET, "").encode(), text.encode(), hashlib.sha256).hex()[:32]


def add(file: Path, text: str, passwords: Mapping[str, str]) -> str:
    """Return the text with lines added at its end for the users it lacks; the rest stays as it is."""
    present = read(file, text)
    # A file with takeovers for each host does not get one for all of them.
    there = present.passwords.keys() | ({TAKEOVER} if present.takeovers else set())
    missing = {user: password for user, password in passwords.items() if user not in there}
    return _append(file, text, missing, {**present.passwords, **missing}) if missing else text


def with_generation(file: Path, text: str, generation: Generation) -> str:
    """Return the text with this generation in place of the present one, or at its end; the rest stays as it is."""
    present = read(file, text)
    if present.written == generation:
        return text
    if present.written is None:
        return _append(file, text, {GENERATION: str(generation)}, present.passwords)
    span = strict_yaml.parse(text, ("a name",)).spans[GENERATION,]
    return _checked(file, text[: span.start] + str(generation) + text[span.stop :], present.passwords)


def _append(file: Path, text: str, entries: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Return the text with the entries added. ``wanted``: the passwords that it should then have."""
    first = min(strict_yaml.parse(text, ("a name",)).lines.values(), default=0)
    begin = text.splitlines()[first - 1] if first else ""
    indent = " " * (len(begin) - len(begin.lstrip(" ")))
    lines = yaml.safe_dump(dict(entries), sort_keys=False, width=10_000).splitlines()
    added = text.removesuffix("\n") + "\n" if text else ""
    added += "".join(f"{indent}{line}\n" for line in lines)
    return _checked(file, added, wanted)


def _checked(file: Path, text: str, wanted: Mapping[str, str]) -> str:
    """Return the text if it has the wanted passwords. Raise NoevictError if not."""
    try:
        if parse(file, text) == wanted:
            return text
    except NoevictError:
        pass
    raise NoevictError(
        f"{file}: should be lines of USER: PASSWORD, so that more can be added; is written in another form of YAML"
    )


def _words(mistake: Mistake) -> str:
    """Return a mistake of the YAML reader in the words for this file."""
    match mistake.fault, mistake.places:
        case Fault.SYNTAX, _:
            return f"{_FORM}, is not YAML"
        case Fault.DEPTH, _:
            return f"{_FORM}, is many levels of YAML"
        case Fault.NAME, ():
            return f"a user's name {_TEXT}"
        case Fault.NAME, (user,) if user == TAKEOVER:
            return f"{TAKEOVER}: a host's name {_TEXT}"
        case Fault.TWICE, (*before, name) if before in ([], [TAKEOVER]):
            return f"{': '.join((*before, name))} should occur once, occurs twice"
    return _wanted(mistake.places)


def _wanted(places: Places) -> str:
    """Return what the value at these places should be."""
    match places:
        case ():
            return _FORM
        case (user, *_) if user == GENERATION:
            should = "a number and a digest, as noevict writes them (and no user's name)"
            return f"{GENERATION} should be {should}, is not: remove the line"
        case (user, host, *_) if user == TAKEOVER:
            should = "a password in quotes, or {user: ..., password: ...}, and not empty"
            return f"{TAKEOVER}: {host} should be {should}"
    return f"the password of {places[0]} should be text in quotes"


def _read_takeovers(found: Mapping[str, object], takeovers: dict[str, Takeover]) -> Iterator[tuple[str, str]]:
    """Fill ``takeovers``; yield each mistake with its host."""
    if found.keys() == {"user", "password"}:
        should = "should have a host's name before user and password: HOST: {user: ..., password: ...}"
        yield "", f"{TAKEOVER} {should}"
        return
    for host, value in found.items():
        if not host:
            yield host, f"{TAKEOVER}: a host's name {_TEXT}"
        elif (takeover := _read_takeover(value)) is None:
            yield host, _wanted((TAKEOVER, host))
        else:
            takeovers[host] = takeover


def _read_takeover(value: object) -> Takeover | None:
    match value:
        case str(password) if password:
            return Takeover(None, password)
        case {"user": str(user), "password": str(password), **more} if user and password and not more:
            return Takeover(user, password)
    return None
