"""What is handed on of a drift: the page of HTML, JUnit XML, and the table at a terminal, of real hosts."""

import re
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from noevict.engines.engine import EngineName
from noevict.secrets.store import Secrets
from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, deploy
from tests.hosts.drifts import DRIFTS
from tests.hosts.manual_changes import apply_changes, process_identity, with_names
from tests.lab.checkout import Checkout, Result
from tests.lab.host import Host
from tests.lab.machine import ensure_packages, run
from tests.lab.terminal import terminal
from tests.unit.reports import Page, read_page, read_xml

# On each host several at once; a restart comes before what it would undo.
AT_ONCE: dict[str, tuple[str, ...]] = {
    "several": ("databases, restarted", "policy", "hz, rewritten", "a user, saved", "kernel's backlog"),
    "live": ("memory", "app off", "certificate replaced, not loaded"),
    "stopped": ("stopped and disabled", "kernel's file"),
    "fine": (),
}
HOSTS: dict[str, tuple[str, EngineName]] = {
    "several": ("trixie", "redis"),
    "live": ("trixie", "valkey"),
    "stopped": ("bookworm", "redis"),
    "fine": ("bookworm", "redis"),
}
EVIL = "<script>alert(1)</script>"
RIGHT, WRONG = "as wanted", "not as wanted"
NONE = "\N{EN DASH}"
LIVE, BOTH = "changed in the running server", "changed in the running server; the file is put right"
# What is reported of each: wanted, in the file, live, repair.
REPORTED: dict[str, dict[str, tuple[str, str, str, str]]] = {
    "several": {
        "maxmemory-policy": ("noeviction", "volatile-lru", "volatile-lru", f"{BOTH} no restart"),
        "hz": ("10", "77", "77", f"{BOTH} no restart"),
        "user intruder": ("deleted", WRONG, "not in the settings", f"{LIVE} no restart"),
        f"user {EVIL}": ("deleted", WRONG, "not in the settings", f"{LIVE} no restart"),
        "ETC/users.acl": ("ours", "other content", NONE, "the file is put right no restart"),
        "net.core.somaxconn": ("4096", RIGHT, "128", "set in the kernel no restart"),
        "databases": (
            *("16", "32", "32"),
            "the file is put right; the server is restarted (read at start only) restart",
        ),
    },
    "live": {
        "user app state": ("on", RIGHT, "off", f"{LIVE} no restart"),
        "the certificate served": (
            *("loaded", RIGHT, "not the one in the file"),
            "put in place and loaded no restart",
        ),
    },
    "stopped": {
        "/etc/sysctl.d/60-noevict.conf": ("ours", "other content", NONE, "the file is put right no restart"),
    },
}


@dataclass
class Story:
    """What was reported while the hosts had drifted, and the servers that ran then."""

    checkout: Checkout
    hosts: dict[str, Host]
    junit: Result
    html: Path
    page: Page
    runs: dict[str, str]


@pytest.fixture(scope="module")
def story(boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    """Provisioned, changed by hand, and looked at. One host of hosts.yml is not there."""
    checkout = checkout_for_module
    booted = boot_for_module(*(suite for suite, _ in HOSTS.values()))
    hosts = dict(zip(HOSTS, booted, strict=True))
    checkout.list_hosts(booted, each={hosts[at].name: {"redis_engine": HOSTS[at][1]} for at in HOSTS})
    deploy(checkout)
    for at, host in hosts.items():
        for drift in sorted(DRIFTS, key=lambda drift: drift.id not in AT_ONCE["several"][:1]):
            if drift.id in AT_ONCE[at]:
                apply_changes(checkout, host, drift.manual_changes, HOSTS[at][1])
    with admin(checkout, hosts["several"]) as client:
        client.acl_setuser(EVIL, enabled=True, nopass=True, keys=["*"])
    runs = {at: process_identity(host, HOSTS[at][1]) for at, host in hosts.items() if at != "stopped"}
    listed = checkout.hosts_yml.read_text()
    checkout.hosts_yml.write_text(f"{listed}  gone:\n    ssh_hostname: 127.0.0.1\n    ssh_port: 1\n")
    junit = checkout.run("noevict", "drift", "--html", "drift.html", "--format", "junit")
    checkout.hosts_yml.write_text(listed)
    html = checkout.root / "drift.html"
    assert html.exists(), junit
    return Story(checkout, hosts, junit, html, read_page(html.read_text()), runs)


@pytest.mark.parametrize("at", REPORTED)
def test_the_page_shows_what_is_wanted_in_the_file_live_and_how_it_is_repaired(story: Story, at: str) -> None:
    reported = {row[0]: tuple(row[1:]) for row in story.page.hosts[story.hosts[at].name][1:]}
    engine = HOSTS[at][1]
    for what, cells in REPORTED[at].items():
        assert reported[with_names(what, engine)] == cells
    if at == "live":
        wanted, in_file, live, repair = reported["maxmemory"]
        assert (in_file, live, repair) == (wanted, "1024mb", f"{LIVE} no restart")


def test_the_page_lists_all_hosts_worst_first(story: Story) -> None:
    listed = {row[0]: row[1:] for row in story.page.rows[1 : len(HOSTS) + 2]}
    names = {at: host.name for at, host in story.hosts.items()}
    assert list(listed) == [names["stopped"], "gone", names["several"], names["live"], names["fine"]]
    assert [row[1] for row in listed.values()] == ["stopped", "failed", "drift", "drift", "as wanted"]
    assert [row[3] for row in listed.values()] == ["no", NONE, "yes", "no", NONE]
    assert listed[names["several"]][0].startswith("Redis 8.0")
    assert listed[names["live"]][0].startswith("Valkey 8.1")
    assert listed[names["several"]][2] == str(len(REPORTED["several"]))


def test_junit_has_a_test_for_each_host(story: Story) -> None:
    assert story.junit.returncode == 1, story.junit
    [suite] = read_xml(story.junit.stdout)
    cases = {case.attrib["name"]: [each.tag for each in case] for case in suite.findall("testcase")}
    names = {at: host.name for at, host in story.hosts.items()}
    assert cases == {
        **{names[at]: ["failure"] for at in ("several", "live", "stopped")},
        names["fine"]: [],
        "gone": ["error"],
    }
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors")}
    assert counts == {"tests": "5", "failures": "3", "errors": "1"}
    assert "maxmemory-policy: volatile-lru → noeviction [live]" in story.junit.stdout
    assert all(float(case.attrib["time"]) > 0 for case in suite.findall("testcase"))
    assert [line for line in story.junit.stderr.splitlines() if line.startswith("gone: ")]


def test_no_secret_is_in_what_is_handed_on(story: Story) -> None:
    secrets = Secrets.load(story.checkout.secrets)
    assert secrets is not None
    reported = story.junit.output + story.html.read_text()
    for user, password in secrets.passwords.items():
        assert password not in reported, user
    own = secrets.known_host("redis").digests(("admin", "app", "health", "exporter"))
    assert not [digest for digest in own.values() if digest in reported]
    assert stat.S_IMODE(story.html.stat().st_mode) == 0o600


def test_a_browser_shows_the_page_and_finds_nothing_wrong_with_it(story: Story, tmp_path: Path) -> None:
    """Chromium says on stderr what a page's policy keeps it from."""
    ensure_packages(("chromium",))
    page, picture = story.html.absolute().as_uri(), tmp_path / "page.png"
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}")
    logged = ("--enable-logging=stderr", "--log-level=0", f"--screenshot={picture}", "--window-size=390,2000")
    printed = run("sh", "-c", '"$@" 2>&1', "sh", "chromium", *options, *logged, page, timeout=180)
    assert "CONSOLE" not in printed, printed
    assert picture.read_bytes().startswith(b"\x89PNG")
    displayed = run("chromium", *options, "--dump-dom", page, timeout=180)
    assert read_page(displayed[displayed.index("<html") :]).rows == story.page.rows


def test_the_table_at_a_terminal_fits_and_has_colours_unless_they_are_not_wanted(story: Story) -> None:
    names = [host.name for host in story.hosts.values()]
    reported = {}
    for colour in ({"TERM": "xterm-256color"}, {"TERM": "xterm-256color", "NO_COLOR": "1"}):
        command = ("noevict", "drift", *names)
        env = story.checkout.environment(colour)
        with terminal(*command, cwd=story.checkout.root, env=env, columns=100) as seat:
            seat.read_until("hosts as wanted", 120)
            seat.read_until("\n", 10)
            assert seat.process.wait(timeout=30) == 2
        reported["NO_COLOR" in colour] = seat.displayed
    assert re.search(r"\x1b\[[0-9;]*31m *volatile-lru", reported[False])
    assert not re.search(r"\x1b\[[0-9;]*3\dm", reported[True])
    for displayed in reported.values():
        bare, end, _ = re.sub(r"\x1b\[[0-9;]*m", "", displayed).partition("1 of 4 hosts as wanted")
        assert end
        assert max(map(len, bare.splitlines())) <= 100


def test_status_shows_the_same_hosts_from_outside_with_the_drift_last_seen(story: Story) -> None:
    story.checkout.run("noevict", "drift", story.hosts["fine"].name)
    done = story.checkout.run("noevict", "status")
    assert done.returncode == 2, done
    head, *rows = done.stdout.split("\n\n")[0].splitlines()
    reported = {row.split()[0]: row for row in rows}
    names = {at: host.name for at, host in story.hosts.items()}
    assert [*reported][:2] == [names["stopped"], names["live"]]
    assert {at: reported[name].split()[1] for at, name in names.items()} == {
        "several": "healthy",
        "live": "unhealthy",
        "stopped": "stopped",
        "fine": "healthy",
    }
    drift = {at: reported[name][head.index("DRIFT") :].split(",")[0] for at, name in names.items()}
    assert drift == {"several": "10", "live": "3", "stopped": "3", "fine": "none"}
    assert f"{names['several']}: Redis eviction policy is 'volatile-lru'" in done.stdout
    assert f"{names['live']}: TLS: the certificate is not accepted" in done.stdout
    assert f"{names['stopped']}: refuses connections: nothing listens there" in done.stdout


def test_the_next_run_restarts_what_the_page_named_and_nothing_else(story: Story) -> None:
    """The last test: it repairs."""
    deploy(story.checkout)
    restarted = [
        at for at, run in story.runs.items() if process_identity(story.hosts[at], HOSTS[at][1]) != run
    ]
    assert restarted == ["several"]
    done = story.checkout.run("noevict", "drift", "--html", "drift.html", "--format", "junit")
    assert done.returncode == 0, done
    page = read_page(story.html.read_text())
    assert not any(page.hosts.values())
    assert [row[2] for row in page.rows[1:]] == ["as wanted"] * len(HOSTS)
    done = story.checkout.run("noevict", "status")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "4 of 4 hosts healthy"), done
