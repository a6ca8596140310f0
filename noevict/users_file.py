"""The text of ``users.yml``: lines of ``user: password``. No message shows a password."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from noevict.errors import NoevictError

TAKEOVER = "takeover"  # the entry that is no user: the password of a Redis that is to be taken over

# Printable ASCII but blank, quotes and backslash: what URLs, shells and .env files carry unharmed once quoted.
# That of a Redis taken over, and of its old clients, was somebody else's choice: any text.
_PASSWORD = re.compile(r"[!#-&(-\[\]-_a-~]+")
_FOREIGN = (TAKEOVER, "default")


def parse(file: Path, text: str) -> dict[str, str]:
    """User → password, in the file's order. NoevictError has every mistake, by line."""
    root = _compose(file, text)
    if root is None:
        return {}
    users: dict[str, str] = {}
    mistakes = []
    for key, value in root.value:
        where = f"{file}:{key.start_mark.line + 1}"
        if not _is_text(key):
            mistakes.append(f"{where}: a user's name should be text, in quotes where YAML takes it for more")
        elif key.value in users:
            mistakes.append(f"{where}: {key.value} should be there once, is twice")
        elif not _is_text(value):
            mistakes.append(f"{where}: the password of {key.value} should be text in quotes")
        elif not (_PASSWORD.fullmatch(value.value) or (key.value in _FOREIGN and value.value)):
            mistakes.append(
                f"{where}: the password of {key.value} should be printable ASCII "
                "without blanks, quotes and backslashes, and not empty"
            )
        else:
            users[key.value] = value.value
    if mistakes:
        raise NoevictError(*mistakes)
    return users


def add(file: Path, text: str, passwords: Mapping[str, str]) -> str:
    """The text with lines added at its end for the users it lacks; what is there stays as it is."""
    present = parse(file, text)
    missing = {user: password for user, password in passwords.items() if user not in present}
    if not missing:
        return text
    root = _compose(file, text)
    indent = " " * (root.start_mark.column if root else 0)
    lines = yaml.safe_dump(missing, sort_keys=False, width=10_000).splitlines()
    added = text.removesuffix("\n") + "\n" if text else ""
    added += "".join(f"{indent}{line}\n" for line in lines)
    if not _reads_as(file, added, {**present, **missing}):
        raise NoevictError(
            f"{file}: should be lines of USER: PASSWORD, so that more can be added; is another form of YAML"
        )
    return added


def _reads_as(file: Path, text: str, wanted: Mapping[str, str]) -> bool:
    try:
        return parse(file, text) == wanted
    except NoevictError:
        return False


def _compose(file: Path, text: str) -> yaml.MappingNode | None:
    """The mapping in the file; None where there is nothing but comments. Nodes know their lines and tags."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:  # its text quotes the line, password and all
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else f"{file}"
        raise NoevictError(f"{where}: should be lines of USER: PASSWORD, is not YAML") from None
    except RecursionError:
        raise NoevictError(f"{file}: should be lines of USER: PASSWORD, is many levels of YAML") from None
    if root is None or root.tag == "tag:yaml.org,2002:null":
        return None
    if not isinstance(root, yaml.MappingNode):
        raise NoevictError(f"{file}: should be lines of USER: PASSWORD")
    return root


def _is_text(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str"
