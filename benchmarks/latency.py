"""A clean run over a long way: one lab host behind a proxy that delays every round trip, and counts them.

Beside it the same through paramiko's own transport, which leaves Nagle's algorithm and delayed ACKs on.
"""

from functools import partial

from benchmarks.clean_run import DEPLOY, ECHO, SUITE, found_due, provision
from benchmarks.measured import Case, interleaved
from tests.lab.checkout import Checkout
from tests.lab.lab import Lab
from tests.lab.proxy import Proxy

OURS, PARAMIKO = '{"transport_factory": transport_factory, **options}', "options"
NEAR, FAR = "(near)", "(far)"


def measure(milliseconds: int, rounds: int) -> list[str]:
    """The results as Markdown, a line each."""
    with Lab() as lab, Checkout.temporary() as checkout:
        [host] = lab.boot(SUITE)
        inventory = (checkout.root / "inventory").read_text()
        assert OURS in inventory  # noqa: S101 - the line that is changed below
        with Proxy((host.address, 22)) as proxy:

            def far(seconds: float, transport: str = OURS) -> None:
                proxy.seconds, proxy.round_trips = seconds, 0
                checkout.write("inventory", inventory.replace(OURS, transport))

            reach = {"ssh_port": proxy.port, "ssh_strict_host_key_checking": "accept-new"}
            checkout.list_hosts([host], ssh_hostname="127.0.0.1", **reach)
            provision(checkout)
            cases, trips = [], {}
            for where, seconds in ((NEAR, 0), (FAR, milliseconds / 1000)):
                clean = partial(Case, checkout=checkout, command=DEPLOY, fine=partial(found_due, count=0))
                cases += [
                    Case(f"`echo` {where}", checkout, ECHO, before=partial(far, seconds)),
                    clean(f"clean run {where}", before=partial(far, seconds)),
                    clean(f"clean run {where}, paramiko's transport", before=partial(far, seconds, PARAMIKO)),
                ]
            costs = interleaved(cases, rounds)
            for case in cases:
                case.measure()
                trips[case.name] = proxy.round_trips
    return [
        "## A long way",
        "",
        f"One {SUITE} host behind a proxy: near, and with {milliseconds} ms more for every round trip (far); medians "
        f"of {rounds} interleaved rounds.",
        "",
        "| what | seconds | round trips |",
        "|---|---|---|",
        # Near, what belongs together arrives one by one.
        *(
            f"| {name} | {cost.seconds:.2f} | {trips[name] if FAR in name else ''} |"
            for name, cost in costs.items()
        ),
    ]
