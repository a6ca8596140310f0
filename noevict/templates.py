"""Renders templates/: the target file's name + .j2, only with the values given."""

from pathlib import Path

import jinja2

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent.parent / "templates"),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # noqa: S701 - configuration, not HTML
)


def render(name: str, **values: object) -> str:
    """Return the text of ``templates/NAME.j2``. Raise jinja2.UndefinedError for a value that is missing."""
    return _ENVIRONMENT.get_template(f"{name}.j2").render(**values)
