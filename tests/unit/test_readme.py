"""What README.md and docs/ say is there is there."""

import ast
import re
import runpy
from collections import defaultdict
from pathlib import Path

import click
import pytest

from noevict import LAYERS
from noevict.cli.main import noevict
from noevict.engines.package_layout import LAYOUTS
from noevict.pki import validity
from noevict.platforms.systemd.wanted import tls_files, wanted_files
from tests.unit.project_copy import copy_project, run_pyinfra

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()
PAGES = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]
TROUBLE = (PROJECT / "docs/troubleshooting.md").read_text()
# Where a command stands: at a line's start, after a prompt, a variable, in $(...), with the path of a program.
START = r"(?m)(?:^|\$ |&& |\$\(|[A-Z]+=\S+ |bin/|-m )"
DIRECTORIES = "benchmarks|deploys|docs|group_data|monitoring|noevict|templates|tests"
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))


def code(text: str) -> str:
    """What stands in backticks and in code blocks."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))])


def test_the_table_of_settings_has_every_one_with_its_default() -> None:
    rows = re.findall(r"(?m)^\| `(redis_\w+)` \| `([^`]+)` \|", README)
    documented = {name: ast.literal_eval(default) for name, default in rows}
    manual = runpy.run_path(str(PROJECT / "group_data/all.py"))
    defaults = {name: value for name, value in manual.items() if name.startswith("redis_")}
    assert list(documented) == list(dict.fromkeys(documented))
    assert documented == defaults


@pages
def test_every_setting_named_is_one(page: Path) -> None:
    settings = {
        name for name in runpy.run_path(str(PROJECT / "group_data/all.py")) if name.startswith("redis_")
    }
    mistyped = "redis_maxmemory_precent"  # in the example of a mistake
    metrics = {"redis_up", "redis_key_size"}
    others = {"redis_version", "redis_settings"}  # Redis' own, arq's
    assert set(re.findall(r"\bredis_\w+", page.read_text())) <= settings | metrics | others | {mistyped}


@pages
def test_every_make_target_named_is_there(page: Path) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (PROJECT / "Makefile").read_text()))
    assert set(re.findall(rf"{START}make ([a-z-]+)", code(page.read_text()))) <= targets


def test_the_readme_names_the_two_commands() -> None:
    assert "`make deploy`" in README
    assert "`make test`" in README


def test_the_readme_is_short_and_begins_with_an_example() -> None:
    assert len(README.splitlines()) < 300
    order = ["Supported", "Quick start", "Hazards", "Guarantees", "Settings"]
    assert re.findall(r"(?m)^## (.*)$", README)[: len(order)] == order
    assert "make deploy" in README[: README.index("## Supported")]


def test_the_readme_leads_to_every_page() -> None:
    here = PROJECT / "docs"
    assert [page.name for page in here.glob("*.md") if f"(docs/{page.name}" not in README] == []


@pages
def test_every_file_of_the_project_that_is_named_is_there(page: Path) -> None:
    files = rf"(?<![\w./-])((?:{DIRECTORIES})(?:/[\w.-]+)+|[\w-]+\.(?:py|toml|txt))"
    examples = {"group_data/redis.py", "group_data/GROUP.py", "drift.txt", "tasks.py"}
    named = set(re.findall(files, code(page.read_text()))) - examples
    assert not {name for name in named if not (PROJECT / name).exists()}


def test_every_path_that_contributing_names_is_there() -> None:
    text = (PROJECT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"`([\w./-]+(?:/|\.\w+)[\w./-]*)`", text)
    assert len(paths) > 50
    assert [path for path in paths if not (PROJECT / path).exists()] == []


def test_contributing_has_the_folders_in_the_order_of_the_layers() -> None:
    layers = [layer.replace(".", "/") for row in LAYERS for layer in row]
    folders = re.findall(r"(?m)^\| `noevict/([\w/]+)` \|", (PROJECT / "CONTRIBUTING.md").read_text())
    assert folders == [layer for layer in layers if (PROJECT / "noevict" / layer).is_dir()]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        there = (page.parent / target) if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there)


def test_every_page_that_a_message_names_is_there() -> None:
    named = re.findall(
        r"\b(docs/[\w/-]+\.md)(?:#([\w-]+))?", messages() + (PROJECT / "group_data/all.py").read_text()
    )
    assert named
    for page, anchor in named:
        assert (PROJECT / page).exists(), page
        assert not anchor or anchor in anchors(PROJECT / page)


@pages
def test_every_noevict_command_and_option_named_is_there(page: Path) -> None:
    used = re.findall(rf"{START}noevict ([a-z-]+)([^\n;|&)\"]*)", code(page.read_text()))
    for name, rest in used:
        command = noevict.commands.get(name)
        assert command is not None, name
        known = {option for each in command.params if isinstance(each, click.Option) for option in each.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, name


@pages
def test_pyinfra_is_always_run_from_the_virtual_environment(page: Path) -> None:
    assert re.findall(r"(?m)(?<!bin/)\bpyinfra .*\binventory [\w/-]+\.py.*", code(page.read_text())) == []


def test_the_readme_shows_mistakes_as_they_are_reported(tmp_path: Path) -> None:
    block = re.search(r"```console\n\$ make deploy\n(2 to put right.*?)```", README, re.DOTALL)
    assert block is not None
    data = "    ssh_hostname: 10.231.1.10\n    redis_maxmemory_precent: 70\n    redis_port: '6380'\n"
    done = run_pyinfra(copy_project(tmp_path, f"redis:\n  cache-1:\n{data}"), "-y", "inventory", "deploy.py")
    assert block[1] in done.stderr


def test_every_file_on_a_host_is_documented() -> None:
    files = (*wanted_files(LAYOUTS["redis"], defaultdict(str)), *tls_files(LAYOUTS["redis"]))
    text = (PROJECT / "docs/on-a-host.md").read_text()
    assert [file.path for file in files if f"`{file.path}`" not in text] == []


def test_the_pages_name_the_validity_of_certificates() -> None:
    pages = ("docs/certificates.md", "docs/how-it-works.md", "docs/on-a-host.md", "SECURITY.md")
    named = {days for page in pages for days in re.findall(r"\b(\d+) days\b", (PROJECT / page).read_text())}
    assert named == {str(validity.DAYS), str(validity.RENEW_DAYS)}


def messages() -> str:
    """All text in noevict's sources, scripts and templates included; what an f-string fills in stands between lines."""
    found = []
    for path in sorted((PROJECT / "noevict").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    texts = (*(PROJECT / "noevict/scripts").glob("*.sh"), *(PROJECT / "templates").glob("*.j2"))
    found += [path.read_text() for path in sorted(texts)]
    return "\n".join(found)


def test_every_message_explained_is_one_that_noevict_has() -> None:
    known = messages()
    explained = re.findall(r"(?m)^\*\*`(.+?)`\*\*", TROUBLE)
    assert len(explained) > 30
    foreign = {"Could not connect", "CONFIG SET failed"}  # pyinfra's, Redis'
    filled_in = {"did not start", "did not restart"}  # what systemd was asked for
    for message in explained:
        fragments = [each.strip(" ,:") for each in message.split("…")]
        missing = [each for each in fragments if each not in known and each not in foreign | filled_in]
        assert not missing, message
