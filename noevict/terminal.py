"""Prints tables and text with rich, on a terminal and in a pipe.

rich decides about colours: none if NO_COLOR is set, and in a pipe only if FORCE_COLOR is. On a terminal, text that is
too wide is folded; in a pipe a row stays one line, for grep.
"""

from typing import TextIO

from rich.console import Console, RenderableType
from rich.text import Text

PILL = "bold white on red"  # for what somebody has to act on before anything else
ENDLESS = 1 << 16  # columns: nothing is folded


def console_for(out: TextIO) -> Console:
    """Return a console that prints texts as they are: text from a host must not be taken as markup."""
    return Console(file=out, highlight=False, markup=False, emoji=False)


def print_lines(console: Console, renderable: RenderableType) -> None:
    """Print without blanks at the ends of lines."""
    folded = console.file.isatty()
    options = console.options if folded else console.options.update(width=ENDLESS)
    for segments in console.render_lines(renderable, options, pad=False):
        line = Text.assemble(*((each.text, each.style or "") for each in segments))
        line.rstrip()
        console.print(line, soft_wrap=True)
