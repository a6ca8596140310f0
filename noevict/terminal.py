"""What rich makes of tables and text, on a terminal and in a pipe.

rich decides about colours: none where NO_COLOR is set, and in a pipe only where FORCE_COLOR is. On a terminal what is
too wide is folded; in a pipe a row stays one line, for grep.
"""

from typing import TextIO

from rich.console import Console, RenderableType
from rich.text import Text

PILL = "bold white on red"  # of what somebody has to see to before anything else
ENDLESS = 1 << 16  # columns: nothing is folded


def console_for(out: TextIO) -> Console:
    """Texts are printed as they are: they are ours to mark up, and none of what a host says is."""
    return Console(file=out, highlight=False, markup=False, emoji=False)


def print_lines(console: Console, renderable: RenderableType) -> None:
    """Without blanks at the ends of lines."""
    folded = console.file.isatty()
    options = console.options if folded else console.options.update(width=ENDLESS)
    for segments in console.render_lines(renderable, options, pad=False):
        line = Text.assemble(*((each.text, each.style or "") for each in segments))
        line.rstrip()
        console.print(line, soft_wrap=True)
