"""Kinds (see kinds) for the directives of redis.conf whose value is a list with its own grammar."""

import ipaddress
import re
from dataclasses import dataclass
from typing import ClassVar

from noevict.directives.kinds import Bare, memory, memory_written

# Class of clients -> hard limit, soft limit (bytes), soft seconds: the servers' defaults.
BUFFER_LIMITS = {
    "normal": (0, 0, 0),
    "slave": (256 * 1024**2, 64 * 1024**2, 60),
    "pubsub": (32 * 1024**2, 8 * 1024**2, 60),
}
ANYWHERE = "* -::*"


@dataclass(frozen=True)
class Save:
    """Pairs of seconds and changes: ``3600 1 300 100``; may be empty."""

    one_line: bool = False  # Valkey writes all pairs on one line
    should_be: ClassVar[str] = 'pairs of seconds and changes such as "3600 1 300 100", or ""'

    def canonical(self, text: str) -> str:
        numbers = text.split()
        valid = all(re.fullmatch(r"\d{1,9}", number, re.ASCII) for number in numbers)
        # seconds are at least 1; 0 changes means a save at every interval
        if not valid or len(numbers) % 2 or any(int(seconds) < 1 for seconds in numbers[::2]):
            raise ValueError(text)
        return " ".join(str(int(number)) for number in numbers)

    def written(self, canonical: str) -> tuple[str, ...]:
        if not canonical:
            return ('""',)
        if self.one_line:
            return (canonical,)
        numbers = canonical.split()
        return tuple(
            f"{seconds} {changes}" for seconds, changes in zip(numbers[::2], numbers[1::2], strict=True)
        )


@dataclass(frozen=True)
class BufferLimits:
    """``CLASS HARD SOFT SECONDS`` for some of normal, replica, pubsub; a class not named has its default.

    CONFIG GET says ``slave`` for replica.
    """

    should_be: ClassVar[str] = (
        'CLASS HARD SOFT SECONDS such as "pubsub 32mb 8mb 60" (classes: normal, replica, pubsub)'
    )

    def canonical(self, text: str) -> str:
        words = text.lower().replace("replica", "slave").split()
        limits = dict(BUFFER_LIMITS)
        if not words or len(words) % 4:
            raise ValueError(text)
        for start in range(0, len(words), 4):
            who, hard, soft, seconds = words[start : start + 4]
            if who not in limits or not re.fullmatch(r"\d{1,9}", seconds, re.ASCII):
                raise ValueError(text)
            limits[who] = (memory(hard), memory(soft), int(seconds))
        return " ".join(f"{who} {hard} {soft} {seconds}" for who, (hard, soft, seconds) in limits.items())

    def written(self, canonical: str) -> tuple[str, ...]:
        words = canonical.replace("slave", "replica").split()
        return tuple(
            f"{words[n]} {memory_written(int(words[n + 1]))} {memory_written(int(words[n + 2]))} {words[n + 3]}"
            for n in range(0, len(words), 4)
        )


@dataclass(frozen=True)
class Bind:
    """Addresses to listen on; one with a leading ``-`` may be missing; ``*`` and ``::*`` are all of them."""

    should_be: ClassVar[str] = "addresses to listen on, separated by spaces"

    def canonical(self, text: str) -> str:
        words = text.split()
        for word in words:
            address = word.removeprefix("-")
            if address not in {"*", "::*"}:
                ipaddress.ip_address(address.partition("%")[0])
        if not words or len(words) > 16:  # CONFIG_BINDADDR_MAX
            raise ValueError(text)
        return " ".join(words)

    def written(self, canonical: str) -> tuple[str, ...]:
        return () if canonical == ANYWHERE else (canonical,)


@dataclass(frozen=True)
class OomScores(Bare):
    """Three numbers: for the main process, replicas, and background children."""

    should_be: ClassVar[str] = "three whole numbers from -2000 to 2000"

    def canonical(self, text: str) -> str:
        numbers = text.split()
        valid = all(re.fullmatch(r"-?\d{1,4}", number, re.ASCII) for number in numbers)
        if len(numbers) != 3 or not valid or any(abs(int(number)) > 2000 for number in numbers):
            raise ValueError(text)
        return " ".join(str(int(number)) for number in numbers)


@dataclass(frozen=True)
class KeyspaceEvents:
    """Letters of event classes; the servers write them in this order, and all of ``g$lshzxetd`` as ``A``.

    Beside A they lose n, in CONFIG GET and in what they write.
    """

    should_be: ClassVar[str] = 'letters of "Ag$lshzxetdnKEm" (n not beside A), or ""'

    def canonical(self, text: str) -> str:
        every = "g$lshzxetd"
        letters = set(text.replace("A", every))
        all_of_them = set(every) <= letters
        if not letters <= {*every, *"nKEm"} or (all_of_them and "n" in letters):
            raise ValueError(text)
        order = "KEm" if all_of_them else every + "nKEm"
        return "A" * all_of_them + "".join(letter for letter in order if letter in letters)

    def written(self, canonical: str) -> tuple[str, ...]:
        return (f'"{canonical}"',)


@dataclass(frozen=True)
class Percentiles:
    """Numbers from 0 to 100, separated by spaces; may be empty."""

    should_be: ClassVar[str] = 'percentiles such as "50 99 99.9", or ""'

    def canonical(self, text: str) -> str:
        numbers = text.split()
        valid = all(re.fullmatch(r"\d{1,3}(\.\d{1,6})?", number, re.ASCII) for number in numbers)
        if not valid or any(float(number) > 100 for number in numbers):
            raise ValueError(text)
        return " ".join(f"{float(number):f}".rstrip("0").rstrip(".") for number in numbers)

    def written(self, canonical: str) -> tuple[str, ...]:
        return (canonical or '""',)
