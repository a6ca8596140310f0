"""The scripts that run on hosts: sound bash, given what they name, and no variable of theirs is ever run."""

import ast
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict import scripts
from noevict.engines.package_layout import LAYOUTS
from noevict.scripts import look_script, packed, script
from tests.lab.machine import LabError, ensure_packages

NOEVICT = Path(scripts.__file__).parents[1]
NAMES = sorted(path.stem for path in (NOEVICT / "scripts").glob("*.sh"))

# Of the calls whose variables are not written out.
ELSEWHERE = {
    "look_instance": {
        "package",
        "unit",
        "user",
        "binary",
        "etc",
        "conf",
        "acl",
        "data",
        "logfile",
        "pidfile",
        "dropin",
        "sysctl",
        "other",
        "port",
        "plaintext_port",
        "modules",
        "last_good",
        "takeover",
        "exporter_etc",
        "exporter_credentials",
    },
    "kernel": {"overcommit", "somaxconn"},
}
# What shellcheck finds and is meant.
EXCLUDED = {
    "SC1091": "/etc/os-release is the host's",
    "SC2317": "a function that a trap calls can be reached",
}


def given_variables() -> dict[str, set[str]]:
    """Script -> the variables that the calls of ``script`` in noevict give it."""
    found: dict[str, set[str]] = {}
    calls = (node for path in NOEVICT.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())))
    for call in calls:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "script":
            name = ast.literal_eval(call.args[0])
            written = {keyword.arg for keyword in call.keywords if keyword.arg}
            variables = written | ELSEWHERE.get(name, set())
            assert found.setdefault(name, variables) == variables, f"{name}: two calls differ"
    return found


VARIABLES = given_variables()


@pytest.fixture(scope="module")
def shellcheck() -> Callable[[str], list[str]]:
    """Its findings in a bash script, a line each."""
    try:
        ensure_packages(("shellcheck",))
    except LabError as error:
        pytest.skip(f"needs the Debian package shellcheck: {error}")
    command = ("shellcheck", "--shell=bash", "--format=gcc", f"--exclude={','.join(EXCLUDED)}", "-")

    def check(text: str) -> list[str]:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout.splitlines()

    return check


def test_every_script_is_used() -> None:
    assert sorted(VARIABLES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_bash_can_read_a_script(name: str) -> None:
    command = ("bash", "-n", NOEVICT / f"scripts/{name}.sh")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_look_is_sound_as_a_whole(shellcheck: Callable[[str], list[str]]) -> None:
    assert shellcheck(look_script(tuple(LAYOUTS.values()), (6379, 0))) == []


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("look_")])
def test_a_script_behind_its_variables_is_sound(name: str, shellcheck: Callable[[str], list[str]]) -> None:
    """A variable that nobody gives it is found, too, and one that it does not use."""
    assert shellcheck(script(name, **dict.fromkeys(sorted(VARIABLES[name]), "a value"))) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_first_lines_of_a_script_name_its_variables(name: str) -> None:
    text = (NOEVICT / f"scripts/{name}.sh").read_text()
    first = text.partition("\nset ")[0].partition("\nexport ")[0]
    assert [variable for variable in VARIABLES[name] if variable not in first] == []


# --- variables are text, whatever is in them ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Runs, as hosts do, a script that prints its variables ``one`` and ``two``; what it printed."""
    directory = tmp_path_factory.mktemp("scripts")
    (directory / "echo.sh").write_text(
        """printf '%s\\0' "$one" "$two" "$(base64 -d <<<"$whole"; echo .)"\n"""
    )

    def run(**variables: str) -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scripts, "_HERE", directory)
            text = script("echo", **variables)
        done = subprocess.run(
            ["bash", "-s"], input=text.encode(), capture_output=True, check=False, cwd=directory
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert [path.name for path in directory.iterdir()] == ["echo.sh"]
        return done.stdout.decode().split("\0")[:-1]

    return run


# Bash has no variables with NUL in them; half a surrogate pair is no text.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
TRICKS = (
    "'",
    '"',
    "$(touch x)",
    "`touch x`",
    "'; touch x; '",
    "\n touch x\n",
    "\\",
    "$HOME",
    "~",
    "*",
    "\r",
    "é\u2028",
    "",
)


@pytest.mark.parametrize("one", TRICKS)
def test_a_variable_that_looks_like_bash_is_not_run(echo: Callable[..., list[str]], one: str) -> None:
    assert echo(one=one, two=f"{one}{one}", whole=packed(one)) == [one, f"{one}{one}", f"{one}."]


@given(texts, texts)
def test_any_text_comes_out_as_it_went_in(echo: Callable[..., list[str]], one: str, two: str) -> None:
    assert echo(one=one, two=two, whole=packed(one + two)) == [one, two, f"{one}{two}."]


def test_a_number_is_a_variable_too() -> None:
    assert script("kernel", overcommit=1, somaxconn=4096).startswith("overcommit=1\nsomaxconn=4096\n#")
