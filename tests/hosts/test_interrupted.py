"""A run killed before and after each of its steps, and a host killed: the next run finishes, no key is lost."""

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, deploy
from tests.hosts.fault_injection import Fault, actions, inject_faults, stop_injecting
from tests.hosts.manual_changes import (
    apply_changes,
    assert_filled,
    fill,
    install_foreign,
    lines_about,
    plaintext_client,
)
from tests.hosts.port_prober import assert_never_open, probing_ports
from tests.lab.checkout import REPOSITORY, Checkout
from tests.lab.host import Host, wait_ready
from tests.sampling import sample

KEYS = 2000
NAMES = re.findall(r'name="(.+)"', (REPOSITORY / "deploy.py").read_text())
# The host that is repaired again and again is set now this way, now that.
DATABASES = {"databases": 32}
DRIFT = (
    "redis: CONFIG SET hz 77 maxmemory-policy volatile-lru timeout 300",
    "redis: CONFIG SET appendonly no",
    "redis: ACL SETUSER app +@all",
    "rm ETC/tls/server.crt",
    "sed -i 's/^maxmemory .*/maxmemory 1gb/' CONF",
    "chmod 644 ETC/users.acl",
    "chmod 755 DATA",
    "echo >/etc/sysctl.d/60-noevict.conf",
    "rm -r /etc/systemd/system/UNIT.d",
    "systemctl disable UNIT",
)
VALKEY = {"redis_engine": "valkey", "redis_config": {"aof-use-rdb-preamble": False}}


def manage(checkout: Checkout, host: Host) -> None:
    """Provisioned, with keys."""
    checkout.list_hosts([host])
    deploy(checkout)
    with admin(checkout, host) as client:
        fill(client, KEYS)


def bare(checkout: Checkout, host: Host) -> None:
    checkout.list_hosts([host])


def drifted(checkout: Checkout, host: Host) -> None:
    if not checkout.hosts_yml.exists() or host.name not in checkout.hosts_yml.read_text():
        manage(checkout, host)
    twice = DATABASES if "databases" not in checkout.hosts_yml.read_text() else {}
    apply_changes(checkout, host, DRIFT)
    checkout.list_hosts([host], redis_config=twice)


def foreign(checkout: Checkout, host: Host) -> None:
    install_foreign(host)
    with plaintext_client(host) as client:
        fill(client, KEYS)
    checkout.list_hosts([host], redis_takeover=True)


def of_redis(checkout: Checkout, host: Host) -> None:
    manage(checkout, host)
    checkout.list_hosts([host], **VALKEY)


@dataclass(frozen=True)
class Scenario:
    """``prepare`` leaves a host, of ``name``, for which all of ``steps`` are due, in this order."""

    name: str
    prepare: Callable[[Checkout, Host], None]
    steps: tuple[str, ...]


FIRST, LAST = ("Lock the host, as it was looked at",), ("Verify as a client",)
FILES, ENGINE, RESTART = (
    "Files and kernel values",
    "Change the engine, with all data",
    "Restart, one host at a time",
)
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "provisioning",
            bare,
            (*FIRST, "Prepare packages", "Certificate", FILES, "Install the server", *LAST),
        ),
        Scenario(
            "remediation",
            drifted,
            (
                *(*FIRST, "Owners and modes", "Certificate", "Test the new configuration"),
                *("Change the running server", FILES, "Enable the service", RESTART, *LAST),
            ),
        ),
        Scenario(
            "take-over",
            foreign,
            (
                *(*FIRST, "Owners and modes", "Certificate", "Test the new configuration"),
                *("Change the running server", FILES, RESTART, *LAST),
            ),
        ),
        Scenario("engine", of_redis, (*FIRST, "Prepare packages", "Certificate", FILES, ENGINE, *LAST)),
    )
}
CASES = {
    f"{scenario.name}: {step}": (scenario, step) for scenario in SCENARIOS.values() for step in scenario.steps
}


@pytest.fixture(scope="module")
def repaired(boot_for_module: Boot) -> Host:
    """The one host that drifts again for each case."""
    return boot_for_module("trixie")[0]


def steps(checkout: Checkout) -> tuple[str, ...]:
    """Return the operations since ``inject_faults``, without what they did."""
    return tuple(moment for _, moment in actions(checkout) if moment in NAMES)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_cases_are_the_steps_of_a_run(
    boot: Boot, checkout: Checkout, checkout_for_module: Checkout, repaired: Host, name: str
) -> None:
    if name == "remediation":
        checkout, host = checkout_for_module, repaired
    else:
        [host] = boot("trixie")
    SCENARIOS[name].prepare(checkout, host)
    inject_faults(checkout)
    deploy(checkout)
    stop_injecting(checkout)
    assert steps(checkout) == SCENARIOS[name].steps


@pytest.mark.parametrize(
    "case",
    sample(
        CASES,
        "provisioning: Install the server",
        "remediation: Change the running server",
        f"remediation: {RESTART}",
    ),
)
def test_a_run_that_is_killed_before_and_after_a_step_is_finished_by_the_next(
    boot: Boot,
    checkout: Checkout,
    checkout_for_module: Checkout,
    repaired: Host,
    case: tuple[Scenario, str],
) -> None:
    scenario, step = case
    if scenario.name == "remediation":
        checkout, host = checkout_for_module, repaired
    else:
        [host] = boot("trixie")
    scenario.prepare(checkout, host)
    with probing_ports([host], pause=0.1) as answers:
        for when in "before", "after":
            inject_faults(checkout, Fault(step, when))
            killed = checkout.run(*DEPLOY)
            assert killed.returncode == -signal.SIGKILL, (when, killed)
            assert steps(checkout)[-1] == step
        stop_injecting(checkout)
        finish(checkout)
    assert_never_open(answers[host.name], foreign=scenario.name == "take-over")
    assert_kept(checkout, host, scenario)


def assert_kept(checkout: Checkout, host: Host, scenario: Scenario) -> None:
    """All keys, on a host that is as wanted."""
    with admin(checkout, host) as client:
        assert client.dbsize() == 0 if scenario.name == "provisioning" else not assert_filled(client, KEYS)
    assert_clean(checkout)


def finish(checkout: Checkout) -> None:
    """Run again; once more if a command of the killed run was still at work on a host."""
    done = checkout.run(*DEPLOY)
    if done.returncode:
        at_work = r"changed since looked at \(.*\): run again|is being changed by a command of an earlier run: wait .*"
        failed = done.json["results"]["failed_hosts"]
        reported = re.findall(rf"^ +\[(\S+)\] +(?:{at_work})$", done.output, re.MULTILINE)
        assert sorted(failed) == sorted(reported), done
        deploy(checkout)


# A moment of a scenario at which the host's power is cut.
CUTS = {
    "provisioning: after the files": ("provisioning", Fault(FILES, "after")),
    "provisioning: during the installation": ("provisioning", Fault("install", "during", seconds=1)),
    "remediation: during the restart": ("remediation", Fault("service restart", "during")),
    "take-over: after the files": ("take-over", Fault(FILES, "after")),
    "engine: before the new server": ("engine", Fault("hand_over", "after")),
}


@pytest.mark.parametrize("case", sample(CUTS, "remediation: during the restart"))
def test_a_host_that_is_killed_fails_in_time_and_is_finished_by_the_next_run(
    boot: Boot, checkout: Checkout, case: tuple[str, Fault]
) -> None:
    name, cut = case
    [host] = boot("trixie")
    SCENARIOS[name].prepare(checkout, host)
    inject_faults(checkout, replace(cut, nspawn=host._nspawn))
    with probing_ports([host], inside=False, pause=0.1) as answers:
        done = checkout.run(*DEPLOY, timeout=240)
        # pyinfra prints no JSON if no host is left.
        assert done.returncode == 1, done
        assert [line for line in lines_about(done, host) if "the connection to the host broke" in line], done
        stop_injecting(checkout)
        host.kill()
        host.start()
        wait_ready([host])
        finish(checkout)
    assert_never_open(answers[host.name], foreign=name == "take-over")
    assert_kept(checkout, host, SCENARIOS[name])
