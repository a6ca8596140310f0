"""The bash scripts that run on hosts, each with the variables it names in its first lines."""

import base64
import shlex
from pathlib import Path

_HERE = Path(__file__).parent


def script(name: str, **variables: str | int) -> str:
    """The text of NAME.sh behind the assignments of its variables, quoted. Sent on standard input: no argument
    of it shows in a list of processes."""
    assignments = [f"{variable}={shlex.quote(str(value))}" for variable, value in variables.items()]
    return "\n".join([*assignments, (_HERE / f"{name}.sh").read_text()])


def packed(text: str) -> str:
    """For a variable that holds a whole file: `base64 -d` gives it back byte by byte."""
    return base64.b64encode(text.encode()).decode()
