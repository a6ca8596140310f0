"""What clients feel of each kind of remediation: the longest gap in service, and the connections that were ended.

Clients of every kind write over TLS as user app for as long as a run takes; a gap is the time from one write that was
acknowledged to the same client's next.
"""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import redis

from tests.hosts.big_data import fill_big
from tests.hosts.deployment import admin, connect, deploy
from tests.hosts.manual_changes import apply_changes, plaintext_client
from tests.hosts.remediations import PASSWORD, REMEDIATIONS, TAKE_OVER, Remediation, install_old
from tests.hosts.writers import KINDS, Writer, writing
from tests.lab.checkout import Checkout
from tests.lab.host import Host
from tests.lab.lab import Lab

SUITE = "trixie"
Connect = Callable[[], AbstractContextManager["redis.Redis"]]


@dataclass(frozen=True)
class Felt:
    """By the clients of one run. ``gap``: seconds."""

    gap: float
    ended: int

    @classmethod
    def during_a_run(cls, checkout: Checkout, name: str, client: Connect) -> "Felt":
        writers = [Writer(f"{name}:{kind}", kind, client, pause=0) for kind in KINDS]
        with writing(writers):
            deploy(checkout)
        return cls(
            max(writer.gap for writer in writers if writer.kind != "blocked"),
            sum(writer.ended for writer in writers),
        )


def measure(rounds: int, mib: int) -> list[str]:
    """The results as Markdown, a line each. ``mib``: of the large data that a host is restarted with."""
    felt: dict[str, list[Felt]] = {}
    for number in range(rounds):
        with Lab() as lab, tempfile.TemporaryDirectory() as directory:
            checkout = Checkout(Path(directory))
            [host] = lab.boot(SUITE)
            for name, each in of_one_host(checkout, host, number, mib):
                felt.setdefault(name, []).append(each)
    return report(rounds, felt)


def of_one_host(checkout: Checkout, host: Host, number: int, mib: int) -> list[tuple[str, Felt]]:
    """Everything in turn, from the take-over of a server on."""
    client = partial(connect, checkout, host, "app")
    install_old(checkout, [host])
    checkout.list_hosts([host], **TAKE_OVER)
    felt = [("take-over", Felt.during_a_run(checkout, "old", partial(plaintext_client, host, PASSWORD)))]
    checkout.list_hosts([host])
    deploy(checkout)
    felt.append(("nothing due", Felt.during_a_run(checkout, f"nothing:{number}", client)))
    for each in REMEDIATIONS:
        felt.append((each.id, _remediated(checkout, host, each, client)))
    checkout.list_hosts([host])
    with admin(checkout, host, decode_responses=False, socket_timeout=60) as filling:
        fill_big(filling, mib)
    felt.append((f"restart, {mib} MiB of keys", Felt.during_a_run(checkout, "big", client)))
    return felt


def _remediated(checkout: Checkout, host: Host, remediation: Remediation, client: Connect) -> Felt:
    apply_changes(checkout, host, remediation.manual_changes)
    checkout.list_hosts([host], **remediation.settings)
    return Felt.during_a_run(checkout, remediation.id, client)


def report(rounds: int, felt: dict[str, list[Felt]]) -> list[str]:
    return [
        "## What clients feel of a run",
        "",
        f"{len(KINDS)} clients of one {SUITE} host (single writes, MULTI/EXEC, scripts as BullMQ's, a blocked worker) "
        f'write without a pause over TLS while the run goes on; {rounds} rounds. The row "nothing due" is what such '
        "clients feel of a clean run on this machine, mostly its own load: hosts, clients and the run share its cores.",
        "",
        "| what is done | longest gap in service, ms: median | worst | connections ended |",
        "|---|---|---|---|",
        *(row(name, each) for name, each in felt.items()),
    ]


def row(name: str, felt: list[Felt]) -> str:
    gaps = sorted(each.gap * 1000 for each in felt)
    ended = max(each.ended for each in felt)
    return f"| {name} | {gaps[len(gaps) // 2]:.0f} | {gaps[-1]:.0f} | {ended} of {len(KINDS)} |"
