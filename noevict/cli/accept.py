"""``noevict secrets accept``: hosts have passwords from a newer secrets/; this copy counts from now on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noevict.drift.all_hosts import look_at_hosts
from noevict.inventory.reader import Inventory as Hosts
from noevict.secrets.passwords import Generation
from noevict.secrets.store import Secrets


@dataclass(frozen=True)
class Ahead:
    """The hosts that refuse this copy. ``given``: host → the generation that it has. ``unknown``: host → why it could
    not be looked at."""

    given: dict[str, Generation]
    unknown: dict[str, str]

    @property
    def number(self) -> int:
        return max((each.number for each in self.given.values()), default=0)


def look_ahead(root: Path, hosts: Hosts, secrets: Secrets, only: Sequence[str] = ()) -> Ahead:
    """Look at all hosts, or at some. Raise NoevictError for mistakes in the settings or the secrets."""
    given, unknown = {}, {}
    for run, _ in look_at_hosts(root, hosts, only):
        if run.state is None:
            unknown[run.name] = run.failure[0] if run.failure else "could not be looked at"
        elif run.looked and run.of_others:
            unknown[run.name] = run.of_others[0]
        elif (there := run.state.machine.given) is not None and is_ahead(there, secrets.generation):
            given[run.name] = there
    return Ahead(given, unknown)


def is_ahead(given: Generation, ours: Generation) -> bool:
    """Whether a host with passwords of the generation ``given`` refuses ours."""
    return given.number > ours.number or (given.number == ours.number and given.digest != ours.digest)
