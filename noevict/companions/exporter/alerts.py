"""The alert rules for Prometheus, with links to the user's runbooks, and the labels of a host."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from noevict.errors import NoevictError
from noevict.messages import displayed
from noevict.settings.model import Settings

RULES = Path(__file__).parents[3] / "monitoring/alerts.yml"
_RUNBOOK = re.compile(r"(?m)^( *runbook_url: )docs/runbooks/(\S+)$")


def render_alerts(rules: str, runbooks: str) -> str:
    """Return RULES with every ``runbook_url`` below ``runbooks``, a URL or a path, instead of docs/runbooks."""
    base = runbooks.rstrip("/")
    return _RUNBOOK.sub(lambda found: f"{found[1]}{json.dumps(f'{base}/{found[2]}')}", rules)


def runbooks_of(settings: Mapping[str, Settings]) -> str:
    """Return ``redis_runbooks`` of all hosts, for there is one file of rules. Raise NoevictError if they differ."""
    hosts: dict[str, str] = {}  # value -> the first host that has it
    for host, each in settings.items():
        hosts.setdefault(each.redis_runbooks, host)
    (first, _), *others = hosts.items()
    if others:
        raise NoevictError(
            *(
                f"{host}: redis_runbooks: should be the same for all hosts, {displayed(first)}, got {displayed(other)}"
                for other, host in others
            )
        )
    return first


def target_labels(host: str, settings: Settings) -> dict[str, str]:
    """Return the labels of a host's exporter, which the rules need; ``job`` wins over the name of the scrape job."""
    eviction = "allowed" if settings.redis_allow_eviction else "refused"
    return {"host": host, "job": "redis", "eviction": eviction}
