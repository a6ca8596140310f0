"""Owners and modes of files: what differs from what is wanted. Pure."""

from collections.abc import Iterator

from noevict.changes import Change, How
from noevict.state import File
from noevict.target import WantedFile


def attributes(found: File, wanted: WantedFile, how: How = How.FILE) -> Iterator[Change]:
    """Owner and mode, each a change of its own."""
    if (found.owner, found.group) != (wanted.owner, wanted.group):
        there, right = f"{found.owner}:{found.group}", f"{wanted.owner}:{wanted.group}"
        yield Change(how, f"{wanted.path} owner", there, right)
    if found.mode != wanted.mode:
        yield Change(how, f"{wanted.path} mode", found.mode, wanted.mode)
