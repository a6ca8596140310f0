"""The one exception whose text is the answer to a user's mistake."""

from collections.abc import Iterable


class NoevictError(Exception):
    """A mistake or a failure, told in lines a user can act on: what, where, what it should be, what next.

    ``str()`` of it is the whole message, one mistake a line. It never holds a secret.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines: tuple[str, ...] = lines

    @classmethod
    def collect(cls, lines: Iterable[str]) -> "NoevictError":
        """All mistakes at once, in the order given, each once."""
        return cls(*dict.fromkeys(lines))
