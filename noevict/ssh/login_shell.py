"""Shields a command from the login shell of a host's user: its output, its PATH without sbin, and its umask.

Each command begins with ``PLAIN``. It runs in a known environment then, and what was printed before it, by a
``.bashrc`` or ``config.fish`` for instance, can be cut off.
"""

BEGIN = "noevict: begin"
"""The line, on both streams, after which everything is the command's own output."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PLAIN = f"export PATH={PATH}; unset BASH_ENV; umask 022; echo '{BEGIN}'; echo '{BEGIN}' >&2;"

_LINE = f"{BEGIN}\n".encode()


def begun(data: bytes) -> bool:
    """Return whether the command itself has begun."""
    return _LINE in data


def own_output(data: bytes) -> bytes:
    """Return what was printed since the command began; all of it if it never began: that says why."""
    before, line, after = data.partition(_LINE)
    return after if line else before
