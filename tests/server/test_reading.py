"""What noevict reads in a redis.conf is what the real servers read in it."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noevict.directives import table, values
from noevict.redisconf import diff as conf_diff
from noevict.redisconf import render as conf
from noevict.redisconf.parser import parse, together
from tests.lab.servers import Binary, StartFailed
from tests.server import conf_spellings, directive_values
from tests.server.conftest import StartServer
from tests.server.hypothesis_settings import FEW, MANY
from tests.server.managed_server import Managed, Settings, start_managed, want

Say = Callable[[Binary, str], dict[str, str] | None]


@pytest.fixture
def say(start_server: StartServer, short_path: Path) -> Say:
    """Starts a server on a text: what CONFIG GET returns, or None if the server refuses the text."""

    def start(binary: Binary, text: str) -> dict[str, str] | None:
        (short_path / "data").mkdir(exist_ok=True)
        try:
            running = start_server(
                binary, text, "--unixsocket", str(short_path / "s"), "--port", "0", directory=short_path
            )
        except StartFailed:
            return None
        try:
            reported: dict[str, str] = running.client(encoding_errors="backslashreplace").config_get("*")
            return reported
        finally:
            running.end(signal.SIGKILL)

    return start


# Every character that means something to whoever splits a line, and some that mean nothing to the servers.
LETTERS = st.sampled_from([*"\"'\\ \t#xn4 1aé€\v\f\r\x1c\x85\xa0\u2028"])
WORDS = st.one_of(
    st.text(LETTERS, max_size=12),
    st.text(max_size=12).flatmap(conf_spellings.quoted),
    st.text(LETTERS, max_size=12).flatmap(conf_spellings.quoted),
)


def written(text: str) -> bool:
    """Whether it can stand in one line of a file, and means one thing there: no line break, nothing that UTF-8 has no
    bytes for, no \\v or \\f right after a quote (there a word ends for all servers but Valkey 9)."""
    one_line = not set(text) & {"\n", "\0"} and text == text.encode("utf-8", "ignore").decode()
    return one_line and not re.search("[\"'][\v\f]", text)


@settings(FEW, max_examples=60)
@given(word=WORDS.filter(written))
def test_any_word_is_read_as_the_server_reads_it(binary: Binary, say: Say, word: str) -> None:
    read_alike(binary, say, word)


@pytest.mark.long
@settings(MANY, max_examples=2500)
@given(word=WORDS.filter(written))
def test_very_many_words(binary: Binary, say: Say, word: str) -> None:
    read_alike(binary, say, word)


def read_alike(binary: Binary, say: Say, word: str) -> None:
    """In the one directive that takes any text at all. What the server refuses need only be read without a failure."""
    text = f"hz 11\nmasterauth {word}\nhz 12\n"
    read, reported = parse(text), say(binary, text)
    if reported is not None:
        assert together("masterauth", read["masterauth"]) == reported["masterauth"], word
        assert (read["hz"], reported["hz"]) == (["11", "12"], "12")


def test_the_packages_own_file_is_read_as_its_server_reads_it(binary: Binary, say: Say) -> None:
    text = (binary.root / f"etc/{binary.engine}/{binary.engine}.conf").read_text()
    here = re.sub(r"/var/(lib|log)/(redis|valkey)", "{directory}/data", text)
    reported = say(binary, here.replace("daemonize yes", "daemonize no"))
    assert reported is not None
    read = {name: together(name, lines) for name, lines in parse(text).items()}
    assert len(read) > 20
    for name in read.keys() - {"dir", "logfile", "pidfile", "daemonize", "port", "include"}:
        directive = table.find(name)
        assert directive is not None, name
        assert values.same(name, read[name], reported[directive.name_on(binary.server)]), name


@pytest.fixture
def managed(binary: Binary, start_server: StartServer, tls_files: Path, short_path: Path) -> Managed:
    """Each release with the default settings."""
    return start_managed(start_server, binary, short_path, tls_files, Settings())


@settings(FEW, max_examples=8)
@given(data=st.data())
def test_a_text_that_means_the_same_is_no_drift(managed: Managed, data: st.DataObject) -> None:
    means_the_same(managed, data)


@pytest.mark.long
@settings(MANY, max_examples=400)
@given(data=st.data())
def test_very_many_texts_that_mean_the_same(managed: Managed, data: st.DataObject) -> None:
    means_the_same(managed, data)


def means_the_same(managed: Managed, data: st.DataObject) -> None:
    """To the server and to noevict; and if one value differs, only that one is reported."""
    server, running = managed.running.server, managed.running
    known = running.redis.config_get("*")
    wanted, other = (_wanted(managed, data) for _ in range(2))
    text = data.draw(conf_spellings.texts(wanted, server, conf_spellings.aliases_of(known, server)))
    assert conf_diff.file_differences(wanted, text, server) == ()
    # What is missing is at its default.
    both = [{**(table.defaults(server) or {}), **each} for each in (wanted, other)]
    unlike = {name for name in both[0] if not values.same(name, both[0][name], both[1][name])}
    assert {found.name for found in conf_diff.file_differences(other, text, server)} == unlike
    running.end(signal.SIGKILL)
    # For the test's own client, which finds its way in the text that noevict renders.
    ways = ("port", "tls-port", "tls-ca-cert-file", "logfile")
    standing = running.arguments
    running.arguments = (*standing, *(word for name in ways for word in (f"--{name}", wanted[name])))
    try:
        running.conf.write_text(text, newline="")
        running.start()
        live = running.redis.config_get("*")
        assert conf_diff.differences(conf.wanted_live(wanted, server), live, server) == ()
        running.redis.config_rewrite()
        assert conf_diff.file_differences(wanted, running.conf.read_text(), server) == ()
    finally:
        running.end(signal.SIGKILL)
        running.arguments = standing
        running.conf.write_text(managed.text)
        running.start()


def _wanted(managed: Managed, data: st.DataObject) -> dict[str, str]:
    server = managed.running.server
    asked = data.draw(directive_values.configs(directive_values.tried(server), server, most=12))
    wished = Settings(redis_port=managed.settings.redis_port, redis_config=asked)
    return want(managed.running.binary, managed.layout, wished)[0]
