"""Validates and normalises the kinds of values that settings have and pydantic does not.

A check raises ValueError, and the setting's description becomes the message; or Mistakes, with more detailed lines.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from noevict import queues
from noevict.acl.validation import user_problems
from noevict.directives import table
from noevict.directives.kinds import memory
from noevict.messages import displayed, kind

# CONFIG_BINDADDR_MAX in Redis' config.h; with one more the server does not start.
MOST_ADDRESSES = 16
LOOPBACK = ("127.0.0.1", "-::1")
SMALLEST = 1024**2  # an empty server needs about as much: less is a slip (1600 for "1600mb")
# Redis and Valkey set IPV6_V6ONLY on each socket: ``::`` is all of IPv6 and nothing of IPv4, so both do not conflict.
# https://github.com/redis/redis/blob/7.0.15/src/anet.c (_anetTcpServer, anetV6Only)
_EVERY: Mapping[str, IPv4Address | IPv6Address] = {"*": IPv4Address(0), "::*": IPv6Address(0)}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", re.IGNORECASE | re.ASCII)


class Mistakes(ValueError):
    """Each line is what follows the setting's name: ``: should be ...`` or ``.ENTRY: should be ...``."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines


def is_unicode(value: object) -> bool:
    """Whether all text in a value can be encoded: YAML and Python also allow halves of characters ("\\ud800")."""
    if isinstance(value, Mapping):
        return all(is_unicode(each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple):
        return all(map(is_unicode, value))
    return not isinstance(value, str) or not re.search("[\ud800-\udfff]", value)


def to_bytes(value: int | str) -> int:
    """Return the bytes of a size in the form of redis.conf: ``1600mb``. ValueError for anything else."""
    return value if isinstance(value, int) else memory(value)


def size(value: int | str) -> int | str:
    if not SMALLEST <= to_bytes(value) < 2**63:
        raise ValueError(value)
    return value


def endpoint(value: str) -> str:
    """Check a DNS name or an address that a client can connect to."""
    if _DNS_NAME.fullmatch(value) and not re.fullmatch(r"[0-9.]+", value):
        return value
    if "%" in value or ip_address(value).is_unspecified or ip_address(value).is_multicast:
        raise ValueError(value)
    return value


def file_path(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError(value)
    return value


def link(value: str) -> str:
    """Check a URL or a path to which others append; without braces, which are special to Prometheus and Jinja."""
    if not re.fullmatch(r"[!-z|~]+", value) or re.search(r"[\"<>?#\\^`]", value):
        raise ValueError(value)
    return value


def certificate_names(value: object) -> tuple[str, ...]:
    """Check DNS names, of which the first label of three may be ``*``, and addresses."""
    if not isinstance(value, list | tuple):
        raise ValueError(value)
    bad = [name for name in value if not _is_certificate_name(name)]
    if bad:
        raise Mistakes(*(f": should be DNS names or addresses, got {displayed(name)} in it" for name in bad))
    return tuple(value)


def addresses(value: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(value.split() if isinstance(value, str) else value)


def check_bind(value: object) -> str | tuple[str, ...]:
    """Check ``private``, ``loopback``, or what redis.conf's ``bind`` takes, in one string or a list."""
    if value in ("private", "loopback"):
        return str(value)
    if not isinstance(value, str | list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError(value)
    bound = addresses(value)
    bad = [address for address in bound if not _is_bindable(address)]
    if bad:
        raise Mistakes(
            *(f': should be "private", "loopback" or addresses, got {displayed(each)} in it' for each in bad)
        )
    if len(bound) > MOST_ADDRESSES or not bound:
        raise Mistakes(f": should be 1 to {MOST_ADDRESSES} addresses, got {len(bound)}")
    if twice := _bound_twice(bound):
        raise Mistakes(f": should be each address once (Redis would not start), got {displayed(twice)} again")
    return " ".join(bound) if isinstance(value, str) else bound


def check_users(value: object) -> dict[str, Any]:
    return _entries(value, user_problems, lambda _, user: kind(user))


def check_queues(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(value)
    lines = [
        f": should be names of queues, on one line and without a colon at either end, got {displayed(name)} in it"
        for name in value
        if not queues.is_name(name)
    ]
    lines = lines or [
        f": should be each queue once, got {displayed(name)} again" for name in queues.twice(value)
    ]
    if lines:
        raise Mistakes(*lines)
    return tuple(value)


def check_config(value: object) -> dict[str, Any]:
    config = _entries(value, _directive_problems, _displayed_directive)
    if doubles := table.twice(config):
        raise Mistakes(
            *(f".{again}: should be left out beside {first}, got both" for first, again in doubles)
        )
    return config


def _directive_problems(name: str, value: Any) -> Iterator[str]:
    if problem := table.problem(name, value):
        yield problem


def _entries(
    value: object, problems: Callable[[str, Any], Iterable[str]], got: Callable[[str, object], str]
) -> dict[str, Any]:
    """Return a mapping after checking each of its entries."""
    if not isinstance(value, Mapping):
        raise ValueError(value)
    lines = []
    for name, each in value.items():
        for should in problems(name, each) if isinstance(name, str) else ("named by text",):
            end = "" if ", got " in should else f", got {got(name, each)}"
            lines.append(f".{_entry(name)}: should be {should}{end}")
    if lines:
        raise Mistakes(*lines)
    return dict(value)


def _displayed_directive(name: object, value: object) -> str:
    """Show a value only if the directive is known and not a secret: a mistyped requirepass has a password too."""
    known = table.find(name) if isinstance(name, str) else None
    return displayed(value) if known and not known.refusal else kind(value)


def _entry(name: object) -> str:
    plain = isinstance(name, str) and re.fullmatch(r"[\w.@:-]{1,64}", name)
    return str(name) if plain else displayed(name)


def _is_certificate_name(name: object) -> bool:
    if not isinstance(name, str):
        return False
    try:
        endpoint(name.removeprefix("*.") if name.count(".") > 1 else name)
    except ValueError:
        return False
    return True


def _is_bindable(address: str) -> bool:
    try:
        return getattr(address_of(address), "ipv4_mapped", None) is None
    except ValueError:
        return False


def address_of(word: str) -> IPv4Address | IPv6Address:
    """Return the address in a word of redis.conf's ``bind``. Raise ValueError for a name."""
    bare = word.removeprefix("-")
    return _EVERY.get(bare) or ip_address(bare)


def _bound_twice(bound: Iterable[str]) -> str | None:
    """Return the first address that another one, or ``*`` for all of its kind, has bound already.

    Redis 8.0 then does not start: "bind: Address already in use"; ``* -::*`` is fine.
    """
    before: list[IPv4Address | IPv6Address] = []
    for address in bound:
        found = address_of(address)
        if any(_clash(found, held) for held in before):
            return address
        before.append(found)
    return None


def _clash(one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address) -> bool:
    every = one.is_unspecified or other.is_unspecified
    return one.version == other.version and (one == other or every)
