"""The bash scripts that run on hosts, each with the variables it names in its first lines."""

import base64
import shlex
from pathlib import Path

from noevict.engines.layout import Layout

_HERE = Path(__file__).parent


def script(name: str, **variables: str | int) -> str:
    """The text of NAME.sh behind the assignments of its variables, quoted. Sent on standard input: no argument
    of it shows in a list of processes."""
    assignments = [f"{variable}={shlex.quote(str(value))}" for variable, value in variables.items()]
    return "\n".join([*assignments, (_HERE / f"{name}.sh").read_text()])


def own_server(layout: Layout) -> str:
    """What stands before a script that asks a server of its own, which it starts for a moment."""
    names = script("own_server", binary=layout.binary, cli=layout.cli, user=layout.user)
    return script("as_user", user=layout.user) + names


def packed(text: str) -> str:
    """For a variable that holds a whole file: `base64 -d` gives it back byte by byte."""
    return base64.b64encode(text.encode()).decode()
