"""The exception whose text is the answer to a user's mistake."""

from collections.abc import Iterable

from noevict.messages import one_line


class NoevictError(Exception):
    """A mistake or a failure, in lines that a user can act on: what, where, what it should be, what to do next.

    ``str()`` of it is the whole message, one mistake a line (``one_line``). It never contains a secret.
    """

    def __init__(self, *lines: str) -> None:
        self.lines: tuple[str, ...] = tuple(map(one_line, lines))
        super().__init__("\n".join(self.lines))

    @classmethod
    def collect(cls, lines: Iterable[str]) -> "NoevictError":
        """Return an error with all mistakes, in the order given, each once."""
        return cls(*dict.fromkeys(lines))
