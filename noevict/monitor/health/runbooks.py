"""Links warnings on the page to sections of docs/runbooks, below ``redis_runbooks`` or rendered here."""

import itertools
import posixpath
import re
from pathlib import Path

from noevict.server import writes

DOCS = Path(__file__).parents[3] / "docs"
# A warning -> the section about it. The names are of checks (see health.py), and of what card.py shows beside them.
SECTIONS = {
    "stopped": "availability.md#redisdown",
    "answer": "availability.md#redisunreachable",
    "loading": "availability.md#redisloading",
    "memory": "memory.md#redismemory90",
    "unlimited": "memory.md#redismaxmemoryunset",
    **writes.SECTIONS,
    "disk": "persistence.md#redisdiskfullsoon",
    "evictions": "eviction.md#rediskeysevicted",
    "policy": "eviction.md#redisevictionpolicy",
    "certificate": "certificates.md#rediscertificateexpires",
    "backup": "backups.md#redisbackupmissing",
    "drift": "drift.md#redisdrift",
    "look": "drift.md#redislookfailed",
    "workers": "queues.md#redisqueuewithoutconsumers",
}
START = "README.md"


def link(what: str, base: str) -> str:
    """Return the link for a warning. ``base``: redis_runbooks.

    A path may be on another machine than the reader's: the service then serves its own copy.
    """
    section = SECTIONS.get(what, START)
    if base.startswith(("http://", "https://")):
        return f"{base.rstrip('/')}/{section}"
    return f"docs/runbooks/{section.replace('.md', '')}"


def names() -> list[str]:
    """Return the names that ``render`` knows: ``runbooks/memory``, ``troubleshooting``."""
    return sorted(str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md"))


def render(name: str) -> tuple[str, str]:
    """Return the title and the HTML of one of ``names``. Headings have the ids that GitHub's links use."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - most services are never asked for a runbook

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse((DOCS / f"{name}.md").read_text(encoding="utf-8"))
    title = name
    for token, inside in itertools.pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", re.sub(r"[^\w -]", "", inside.content.lower()).replace(" ", "-"))
            title = inside.content if token.tag == "h1" else title
    known = set(names())
    for token in (child for each in tokens for child in each.children or ()):
        if token.type == "link_open" and (href := str(token.attrGet("href"))) and "://" not in href:
            path, hash_, section = href.partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), path.removesuffix(".md")))
            del token.attrs["href"]  # no link to a page that is not served here
            if not path or there in known:
                token.attrSet("href", f"{path.removesuffix('.md')}{hash_}{section}")
    return title, str(parser.renderer.render(tokens, parser.options, {}))
