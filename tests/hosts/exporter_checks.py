"""Runs deploys/monitoring.py, and asks the exporter that it set up."""

import json
import re
import urllib.request
from typing import Any
from urllib.parse import quote

from noevict.companions.exporter.scrape import Sample, parse
from noevict.companions.exporter.wanted import CREDENTIALS, DROPIN, ETC, PACKAGE, UNIT
from tests.lab.checkout import Checkout, Result
from tests.lab.host import Host

MONITOR = ("pyinfra", "-y", "--json", "inventory", "deploys/monitoring.py")
DRY = ("pyinfra", "--dry", "inventory", "deploys/monitoring.py")


def monitor(checkout: Checkout, *options: str, code: int = 0) -> Result:
    """The users' command; it must end with that exit code."""
    done = checkout.run(*MONITOR, *options)
    assert done.returncode == code, done
    return done


def ask(host: Host, path: str = "/metrics", address: str = "", port: int = 9121) -> str:
    """What its exporter answers, from this machine."""
    url = f"http://{address or host.address}:{port}{path}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def scrape(host: Host) -> list[Sample]:
    return list(parse(ask(host)))


def scrape_elsewhere(host: Host, target: str, **more: str) -> str:
    """What it answers whoever asks it about another server, or for other keys."""
    words = "".join(f"&{name.replace('_', '-')}={quote(value)}" for name, value in more.items())
    return ask(host, f"/scrape?target={quote(target)}{words}")


def value(samples: list[Sample], name: str, **labels: str) -> float | None:
    """Of the first sample of that name that has these labels; None if there is none."""
    found = (number for each, has, number in samples if each == name and labels.items() <= has.items())
    return next(found, None)


def process(host: Host) -> str:
    """Another one after each start of the exporter."""
    printed = host.run(f"systemctl show {UNIT} -p MainPID,ExecMainStartTimestampMonotonic").stdout
    return "" if "MainPID=0" in printed else printed


def exporter_files(host: Host) -> set[str]:
    """All of its files, with inode, time, owner and mode."""
    paths = f"{ETC} {DROPIN} /etc/systemd/system/multi-user.target.wants /var/lib/dpkg/status {CREDENTIALS}"
    return set(host.run(f"find {paths} -printf '%p %i %T@ %u %m\\n' 2>/dev/null || true").stdout.splitlines())


def targets(checkout: Checkout) -> dict[str, Any]:
    """The entries of targets.json, by the host's name."""
    entries = json.loads((checkout.root / "state/prometheus/targets.json").read_text())
    return {each["labels"]["host"]: each for each in entries}


def verified(lines: list[str]) -> list[str]:
    return [line for line in lines if re.match(rf"verified: {PACKAGE} \S+, redis_up 1, \d+ samples", line)]
