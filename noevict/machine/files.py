"""Wanted files and directories, and how those that were found differ. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from noevict.machine.found import File
from noevict.plan.change import MODE, OWNER, Change, How, Part


@dataclass(frozen=True)
class WantedFile:
    """A wanted file or directory. ``content`` is None for a directory, and for a file that is made elsewhere."""

    path: str
    owner: str
    group: str
    mode: str  # octal text, as stat prints it
    content: str | None = field(default=None, repr=False)
    directory: bool = False

    @property
    def placed(self) -> bool:
        """Whether it is written as a whole, with owner and mode: a file whose content is ours."""
        return self.content is not None


def is_due(file: WantedFile, due: Iterable[Change]) -> bool:
    """Return whether a change is due to a file that is written whole, or to a directory that is missing."""
    about = [change for change in due if change.path == file.path]
    return (
        any(change.part is Part.FILE for change in about) if file.directory else file.placed and bool(about)
    )


def attributes(found: File, wanted: WantedFile, how: How = How.FILE) -> Iterator[Change]:
    """Yield a change each for a wrong owner and a wrong mode."""
    if (found.owner, found.group) != (wanted.owner, wanted.group):
        there, right = f"{found.owner}:{found.group}", f"{wanted.owner}:{wanted.group}"
        yield Change(Part.ACCESS, wanted.path, how, there, right, aspect=OWNER)
    if found.mode != wanted.mode:
        yield Change(Part.ACCESS, wanted.path, how, found.mode, wanted.mode, aspect=MODE)
