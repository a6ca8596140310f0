"""The noevict command: what it prints, and how it answers mistakes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noevict.cli.checkout import find_root
from noevict.cli.clients import redis_url
from noevict.cli.main import run
from noevict.fleet.access import Access
from noevict.inventory.reader import client_host, read_fleet
from noevict.pki.certificate import Certificate
from noevict.secrets.store import Secrets

# A busy machine is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
HOSTS = """
redis:
  "@local":
  cache-1.example.com:
  cache-2:
    ssh_hostname: 10.0.0.12
    redis_port: 6390
  cache-3:
    ssh_hostname: 10.0.0.13
    redis_address: fd00::13
  cache-4:
    redis_users: {billing: app}
    redis_tls_cert: own.crt
    redis_tls_key: own.key
    redis_tls_ca: tls/corporate.crt
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOEVICT_SECRETS", raising=False)
    monkeypatch.delenv("NOEVICT_HOSTS", raising=False)
    for name in "inventory", "deploy.py":
        (tmp_path / name).touch()
    (tmp_path / "hosts.yml").write_text(HOSTS)
    return tmp_path


@pytest.fixture
def secrets(root: Path) -> Secrets:
    return Secrets.create(root / "secrets").draft_passwords(["admin", "app"]).save()


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """stdout of a command that is fine."""

    def of(*arguments: str) -> str:
        assert run(arguments) == 0
        return capsys.readouterr().out

    return of


@pytest.fixture
def mistake(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line on stderr of a command that is not."""

    def of(*arguments: str) -> str:
        assert run(arguments) == 1
        reported = capsys.readouterr()
        assert reported.out == ""
        (line,) = reported.err.splitlines()
        return line

    return of


# noevict url


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("@local", "localhost:6379"),
        ("cache-1.example.com", "cache-1.example.com:6379"),
        ("cache-2", "10.0.0.12:6390"),
        ("cache-3", "[fd00::13]:6379"),
    ],
)
def test_a_url_has_the_host_that_clients_use(secrets: Secrets, answer: Any, host: str, address: str) -> None:
    assert answer("url", host) == f"rediss://app:{secrets.password('app')}@{address}/0\n"


def test_a_url_is_for_the_user_asked_for(secrets: Secrets, answer: Any) -> None:
    assert answer("url", "cache-2", "--user", "admin").startswith(
        f"rediss://admin:{secrets.known_host('cache-2').password('admin')}@"
    )


@pytest.mark.parametrize("user", ["admin", "health", "exporter"])
def test_a_url_has_the_password_that_all_hosts_had_until_a_run_has_seen_the_hosts_own(
    root: Path, secrets: Secrets, answer: Any, user: str
) -> None:
    with (secrets.path / "users.yml").open("a") as file:
        file.write(f'{user}: "of-all"\n')
    known = Secrets.load(secrets.path)
    assert known
    hosts = read_fleet(root).hosts
    of_cache_2 = known.known_host("cache-2", hosts)
    own = of_cache_2.password(user)
    assert of_cache_2.unseen(user) == (own, "of-all")
    assert answer("url", "cache-2", "--user", user) == f"rediss://{user}:of-all@10.0.0.12:6390/0\n"
    assert of_cache_2.host
    known.record_id("cache-2", of_cache_2.host.id, hosts)
    assert answer("url", "cache-2", "--user", user) == f"rediss://{user}:{own}@10.0.0.12:6390/0\n"
    assert Access(root).passwords(user, "cache-2") == (own,)
    assert Access(root).passwords(user, "cache-3")[1:] == ("of-all",)


def test_the_ca_is_the_fleets_or_the_users_own(root: Path, secrets: Secrets, answer: Any) -> None:
    assert answer("url", "cache-2", "--ca") == f"{secrets.path}/ca.crt\n"
    assert answer("url", "cache-4", "--ca") == f"{root}/tls/corporate.crt\n"


def test_secrets_elsewhere_are_found(
    root: Path, secrets: Secrets, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.path.rename(root / "vault")
    monkeypatch.setenv("NOEVICT_SECRETS", "vault")
    assert answer("url", "cache-2", "--ca") == f"{root}/vault/ca.crt\n"


def test_an_unknown_host_is_one_line_with_the_nearest(secrets: Secrets, mistake: Any) -> None:
    assert secrets
    line = "should be a host in hosts.yml (did you mean cache-2?), is not"
    assert mistake("url", "cache-22") == f"'cache-22': {line}"


def test_an_unknown_user_is_one_line_with_those_there_are(secrets: Secrets, mistake: Any) -> None:
    assert secrets
    line = mistake("url", "cache-4", "--user", "biling")
    assert line == (
        "cache-4: --user: should be one of admin, app, billing, exporter, health (did you mean billing?), got 'biling'"
    )
    assert "should be one of admin, app, exporter, health, got 'billing'" in mistake(
        "url", "cache-2", "--user", "billing"
    )


def test_a_user_whose_password_no_deploy_has_made_yet_is_one_line(secrets: Secrets, mistake: Any) -> None:
    line = mistake("url", "cache-4", "--user", "billing")
    assert line == f"{secrets.path}/users.yml: should have a password for billing, has none"


def test_before_the_first_deploy_there_is_no_url(root: Path, mistake: Any) -> None:
    line = mistake("url", "cache-2")
    assert line == (
        f"{root}/secrets: should hold the fleet's secrets, does not: deploy to make them, or name "
        "their directory in NOEVICT_SECRETS"
    )
    assert not (root / "secrets").exists()


def test_unsafe_secrets_are_refused(secrets: Secrets, mistake: Any) -> None:
    (secrets.path / "users.yml").chmod(0o644)
    assert "should have mode 0600" in mistake("url", "cache-2")


def test_a_mistake_in_hosts_yml_or_settings_is_reported_as_everywhere(root: Path, mistake: Any) -> None:
    (root / "hosts.yml").write_text("redis:\n  cache-1: {redis_port: 99999}\n")
    assert mistake("url", "cache-1") == (
        "cache-1: redis_port: should be a port from 1 to 65535, got 99999 (hosts.yml:2)"
    )
    (root / "hosts.yml").unlink()
    assert "hosts.yml" in mistake("url", "cache-1")


@PATIENT
@given(
    st.one_of(
        st.ip_addresses().map(str), st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?", fullmatch=True)
    ),
    st.integers(1, 65535),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1),
    st.text(min_size=1),
)
def test_redis_py_reads_a_url_as_it_was_meant(host: str, port: int, user: str, password: str) -> None:
    url = redis_url(host, port, user, password)
    assert url.isascii()
    read = redis.from_url(url).connection_pool.connection_kwargs
    found = {name: read[name] for name in ("host", "port", "username", "password", "db")}
    assert found == {"host": host, "port": port, "username": user, "password": password, "db": 0}


def test_an_address_with_a_zone_is_read_back() -> None:
    read = redis.from_url(redis_url("fe80::1%eth0", 6379, "app", "x")).connection_pool.connection_kwargs
    assert read["host"] == "fe80::1%eth0"


def test_redis_address_wins_over_ssh_hostname_and_that_over_the_name() -> None:
    assert client_host("a", {"ssh_hostname": "b", "redis_address": "c"}) == "c"
    assert client_host("a", {"ssh_hostname": "b", "redis_address": None}) == "b"
    assert client_host("@ssh/a", {}) == "a"


# noevict cert


def test_a_client_certificate_is_issued_and_its_paths_printed(secrets: Secrets, answer: Any) -> None:
    certificate, key = map(Path, answer("cert", "worker", "--days", "10").splitlines())
    assert (certificate, key) == (secrets.path / "clients/worker.crt", secrets.path / "clients/worker.key")
    issued = Certificate.parse(certificate.read_text())
    assert issued
    assert issued.signed_by(secrets.ca.certificate)
    assert (issued.not_after - issued.not_before).days == 10


def test_a_client_certificate_is_replaced_only_to_renew(secrets: Secrets, answer: Any, mistake: Any) -> None:
    paths = answer("cert", "worker")
    before = Path(paths.split()[0]).read_bytes()
    assert (
        mistake("cert", "worker")
        == f"{secrets.path}/clients/worker.crt: is there already: --renew replaces it"
    )
    assert answer("cert", "worker", "--renew") == paths
    assert Path(paths.split()[0]).read_bytes() != before


def test_before_the_first_deploy_there_is_no_client_certificate(root: Path, mistake: Any) -> None:
    assert "deploy to make them" in mistake("cert", "worker")
    assert not (root / "secrets").exists()


# noevict drift; what it reports is tested on hosts


@pytest.fixture
def at_nobody(root: Path) -> Path:
    """One host, that refuses every connection."""
    (root / "hosts.yml").write_text("redis:\n  cache-1: {ssh_hostname: 127.0.0.1, ssh_port: 1}\n")
    return root


def drift(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "noevict", "drift", *arguments]
    path = {**os.environ, "HOME": str(root), "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=path)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--html", "nowhere/x.html"), "--html: nowhere/x.html: should be in a directory that is there"),
        (("--html", "."), "directory"),
        (("--html", "/dev/null"), "--html: /dev/null: should be a file, is not"),
        (("--json", "--format", "junit"), "--json and --format junit: should be one of them"),
        (("--format", "yaml"), "'yaml'"),
    ],
)
def test_a_mistake_about_the_report_is_reported_before_a_host_is_looked_at(
    at_nobody: Path, arguments: tuple[str, ...], line: str
) -> None:
    done = drift(at_nobody, *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert line in done.stderr
    assert "cache-1" not in done.stderr


def test_every_form_is_printed_and_a_page_is_written_beside_any(at_nobody: Path) -> None:
    for form, start in {
        ("--json",): "{",
        ("--format", "json"): "{",
        ("--format", "junit"): "<?xml",
        (): "0 of 1",
    }.items():
        done = drift(at_nobody, *form, "--html", "drift.html")
        assert (done.returncode, done.stdout[: len(start)]) == (1, start), done
        assert done.stderr.startswith("cache-1: ")
        page = at_nobody / "drift.html"
        assert "cache-1" in page.read_text()
        page.unlink()


# The command


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["url"],
        ["url", "a", "b"],
        ["url", "cache-2", "--bogus"],
        ["cert", "worker", "--days", "0"],
        ["--bogus"],
    ],
)
def test_a_mistyped_command_is_one_line_and_never_the_code_for_drift(
    mistake: Any, arguments: list[str]
) -> None:
    assert "--help)" in mistake(*arguments)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], ["url", "--help"], ["cert", "-h"]])
def test_help_and_version_are_fine(answer: Any, arguments: list[str]) -> None:
    assert answer(*arguments)


def test_the_root_is_here_or_the_checkout(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_root() == root
    (root / "elsewhere").mkdir()
    monkeypatch.chdir(root / "elsewhere")
    assert find_root() == Path(__file__).parents[3]


def test_the_installed_command_needs_no_pyinfra(root: Path, secrets: Secrets) -> None:
    command = Path(sys.executable).with_name("noevict")
    done = subprocess.run([command, "url", "cache-2"], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert secrets.password("app") in done.stdout
    done = subprocess.run([command, "url"], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    imported = "import sys, noevict.cli.main; sys.exit(bool({'pyinfra', 'gevent', 'rich'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", imported], check=False).returncode == 0
