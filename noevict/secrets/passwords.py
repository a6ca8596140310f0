"""The text of ``users.yml``: lines of ``user: password``, and three entries that are no users.

==============  ==========================================================================================
takeover        the password of a foreign Redis: for all hosts, or for each by its name (see ``Takeover``)
host_secret     what the passwords of admin, health and exporter are derived from; no host ever gets it
generation      a number and a digest of the rest: by them an older copy is recognised
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

# Printable ASCII but blank, quotes and backslash: what URLs, shells and .env files carry unharmed once quoted.
# That of a Redis taken over, and of its old clients, was somebody else's choice: any text.
_PASSWORD = re.compile(r"[!#-&(-\[\]-_a-~]+")
_FOREIGN = (TAKEOVER, "default")
_GENERATION = re.compile(r"([1-9][0-9]{0,8}) ([0-9a-f]{32})")


@dataclass(frozen=True)
class Takeover:
    """How a foreign Redis lets noevict in; ``user`` is None if that takes a password only."""

    user: str | None
    password: str = field(repr=False)


@dataclass(frozen=True)
class Generation:
    """Of the contents of users.yml. Number 0 is a file that has none yet."""

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
    """What is in the file. ``passwords``: user → password, in its order; ``takeover`` too where it is for all hosts,
    and ``host_secret``. ``takeovers``: host → its own. ``written``: the generation as the file has it."""

    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    takeovers: dict[str, Takeover] = field(default_factory=dict, repr=False)
    written: Generation | None = None


def read(file: Path, text: str) -> Users:
    """Raises NoevictError with every mistake, by line."""
    root = _compose(file, text)
    users = Users()
    if root is None:
        return users
    seen: set[str] = set()
    mistakes, written = [], None
    for key, value in root.value:
        where = f"{file}:{key.start_mark.line + 1}"
        if not _is_text(key):
            mistakes.append(f"{where}: a user's name should be text, in quotes where YAML takes it for more")
        elif key.value in seen:
            mistakes.append(f"{where}: {key.value} should be there once, is twice")
        elif key.value == GENERATION:
            written = Generation.parse(value.value) if _is_text(value) else None
            if written is None:
                mistakes.append(
                    f"{where}: {GENERATION} should be a number and a digest, as noevict writes them (and no user's "
                    "name), is not: remove the line"
                )
        elif key.value == TAKEOVER and isinstance(value, yaml.MappingNode):
            mistakes += [f"{where}: {mistake}" for mistake in _read_takeovers(value, users.takeovers)]
        elif mistake := _mistake(key.value, value):
            mistakes.append(f"{where}: {mistake}")
        else:
            users.passwords[key.value] = value.value
        if _is_text(key):
            seen.add(key.value)
    if mistakes:
        raise NoevictError(*mistakes)
    return Users(users.passwords, users.takeovers, written)


def parse(file: Path, text: str) -> dict[str, str]:
    """User → password, in the file's order. NoevictError has every mistake, by line."""
    return read(file, text).passwords


def digest(passwords: Mapping[str, str], takeovers: Mapping[str, Takeover]) -> str:
    """Of all that a file has but its generation; it says nothing about a password to who has not the host secret."""
    foreign = {host: [each.user, each.password] for host, each in takeovers.items()}
    text = json.dumps([dict(passwords), foreign], sort_keys=True)
    return hmac.digest(passwords.get(HOST_SECRET, "").encode(), text.encode(), hashlib.sha256).hex()[:32]


def add(file: Path, text: str, passwords: Mapping[str, str]) -> str:
    """The text with lines added at its end for the users it lacks; what is there stays as it is."""
    present = read(file, text)
    # What the file has for each host is not beside something for all of them.
    there = present.passwords.keys() | ({TAKEOVER} if present.takeovers else set())
    missing = {user: password for user, password in passwords.items() if user not in there}
    return _append(file, text, missing, {**present.passwords, **missing}) if missing else text


def with_generation(file: Path, text: str, generation: Generation) -> str:
    """The text with this generation in place of the one it has, or at its end; all else stays as it is."""
    present = read(file, text)
    if present.written == generation:
        return text
    root = _compose(file, text)
    for key, value in root.value if root is not None else ():
        if key.value == GENERATION:
            return text[: value.start_mark.index] + str(generation) + text[value.end_mark.index :]
    return _append(file, text, {GENERATION: str(generation)}, present.passwords)


def _append(file: Path, text: str, entries: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """``wanted``: the passwords that it should hold then."""
    root = _compose(file, text)
    indent = " " * (root.start_mark.column if root else 0)
    lines = yaml.safe_dump(dict(entries), sort_keys=False, width=10_000).splitlines()
    added = text.removesuffix("\n") + "\n" if text else ""
    added += "".join(f"{indent}{line}\n" for line in lines)
    if not _reads_as(file, added, wanted):
        raise NoevictError(
            f"{file}: should be lines of USER: PASSWORD, so that more can be added; is another form of YAML"
        )
    return added


def _reads_as(file: Path, text: str, wanted: Mapping[str, str]) -> bool:
    try:
        return parse(file, text) == wanted
    except NoevictError:
        return False


def _mistake(user: str, value: yaml.Node) -> str | None:
    if not _is_text(value):
        return f"the password of {user} should be text in quotes"
    if not (_PASSWORD.fullmatch(value.value) or (user in _FOREIGN and value.value)):
        return (
            f"the password of {user} should be printable ASCII without blanks, quotes and backslashes, and not "
            "empty"
        )
    return None


def _read_takeovers(node: yaml.MappingNode, takeovers: dict[str, Takeover]) -> Iterator[str]:
    """Fill ``takeovers``; yield what is wrong."""
    if {key.value for key, _ in node.value if _is_text(key)} == {"user", "password"}:
        yield f"{TAKEOVER} should have a host's name before user and password: HOST: {{user: ..., password: ...}}"
        return
    for key, value in node.value:
        if not _is_text(key) or not key.value:
            yield f"{TAKEOVER}: a host's name should be text, in quotes where YAML takes it for more"
        elif key.value in takeovers:
            yield f"{TAKEOVER}: {key.value} should be there once, is twice"
        elif (found := _read_takeover(value)) is None:
            yield (
                f"{TAKEOVER}: {key.value} should be a password in quotes, or {{user: ..., password: ...}}, and not "
                "empty"
            )
        else:
            takeovers[key.value] = found


def _read_takeover(node: yaml.Node) -> Takeover | None:
    if isinstance(node, yaml.ScalarNode):
        return Takeover(None, node.value) if _is_text(node) and node.value else None
    if not isinstance(node, yaml.MappingNode):
        return None
    texts = {key.value: value.value for key, value in node.value if _is_text(key) and _is_text(value)}
    if len(node.value) != 2 or texts.keys() != {"user", "password"} or not all(texts.values()):
        return None
    return Takeover(texts["user"], texts["password"])


def _compose(file: Path, text: str) -> yaml.MappingNode | None:
    """The mapping in the file; None where there is nothing but comments. Nodes know their lines and tags."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:  # its text quotes the line, password and all
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else f"{file}"
        raise NoevictError(f"{where}: should be lines of USER: PASSWORD, is not YAML") from None
    except RecursionError:
        raise NoevictError(f"{file}: should be lines of USER: PASSWORD, is many levels of YAML") from None
    if root is None or root.tag == "tag:yaml.org,2002:null":
        return None
    if not isinstance(root, yaml.MappingNode):
        raise NoevictError(f"{file}: should be lines of USER: PASSWORD")
    return root


def _is_text(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str"
