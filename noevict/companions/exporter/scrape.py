"""Verifies what Prometheus gets from a host's exporter."""

import http.client
from collections.abc import Callable, Iterator

import gevent
from prometheus_client.parser import text_string_to_metric_families

from noevict.client.client import Client
from noevict.client.failures import sentence
from noevict.companions.exporter.look import Exporter, not_yet
from noevict.companions.exporter.wanted import PACKAGE, UNIT, USER, WITHHELD
from noevict.errors import NoevictError
from noevict.run.instance import InstanceRun
from noevict.scripts import script
from noevict.server.password_rotation import is_finishing
from noevict.ssh import tunnel
from noevict.ssh.shell import HOST_FAILURES
from noevict.ssh.transport import within

SCRAPE_SECONDS = 10  # Prometheus' limit
START_SECONDS = 20  # from the exporter's start to its first answer
MOST_BYTES = 4 << 20  # an exporter sends about 100,000; the parser takes up to 3 s for so much
LONGEST_LINE = 1 << 14  # characters: the parser's time grows with the square of a line

Sample = tuple[str, dict[str, str], float]


def verify(exporter: Exporter, finish: Callable[[InstanceRun], object]) -> str:
    """Scrape the exporter once it is up, as Prometheus would, and return a line about the result.

    A run that changed something looks again first. ``finish``: what to do to Redis' passwords once the exporter has
    the new one. Raise NoevictError with a line for each thing that is wrong.
    """
    run = exporter.run
    if exporter.changed:
        run.look_again()
        exporter.gather_facts()
    plan = exporter.plan
    wrong = [
        *not_yet(run),  # a second name of the machine was found when the other one was looked at
        *(
            f"{change.what}: should be {change.wanted}, is {change.found}"
            for change in plan.changes
            if not is_finishing(change)
        ),
        *plan.refusals,
        *plan.faults,
    ]
    if wrong:
        raise NoevictError.collect(wrong)
    before = denials(run.client)
    samples = _scrape_until_it_answers(exporter)
    if wrong := [*_missing(exporter, samples), *_denied(before, denials(run.client))]:
        raise NoevictError.collect(wrong)
    if run.machine.lock:
        finish(run)
    return f"verified: {named(exporter)}, redis_up 1, {len(samples)} samples, on {where(exporter)}"


def named(exporter: Exporter) -> str:
    package = exporter.found.package
    return f"{PACKAGE} {package.version if package else ''}"


def where(exporter: Exporter) -> str:
    target = exporter.plan.target
    return f"{target.listen or 'all addresses'} port {target.port}"


def parse(text: str) -> Iterator[Sample]:
    """Parse samples in Prometheus' text format. Raise ValueError for any other text."""
    if max(map(len, text.split("\n"))) > LONGEST_LINE:
        raise ValueError(f"no sample: a line is longer than {LONGEST_LINE} characters")
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield sample.name, dict(sample.labels), float(sample.value)
    except (ValueError, IndexError) as error:
        raise ValueError(f"no sample: {str(error)[:60]!r}") from error


def denials(client: Client) -> dict[tuple[str, str, str], int]:
    """Return what the exporter's user was refused so far: (reason, context, object) -> how often."""
    entries = client.acl_log()
    refused = (
        (str(e["reason"]), str(e["context"]), str(e["object"]), e) for e in entries if e["username"] == USER
    )
    counts: dict[tuple[str, str, str], int] = {}
    for reason, context, what, entry in refused:
        key = (reason, context, what)
        counts[key] = counts.get(key, 0) + int(str(entry["count"]))
    return counts


def _scrape_until_it_answers(exporter: Exporter) -> list[Sample]:
    try:
        with within(START_SECONDS):
            while True:
                try:
                    return list(parse(_scrape(exporter)))
                except tunnel.PortRefused:  # it is starting, or starts again and again
                    gevent.sleep(0.2)
    except (TimeoutError, ValueError, http.client.HTTPException, *HOST_FAILURES) as error:
        log = script("descriptors", user="root") + script("last_log_lines", unit=UNIT, logfile="")
        lines = exporter.run.machine.shell(log, what="reading its log")
        words = " / ".join(lines) or "its log says nothing"
        raise NoevictError(
            f"{PACKAGE} does not answer on {where(exporter)} ({sentence(error)}): {words}"
        ) from error


def _scrape(exporter: Exporter) -> str:
    """Scrape through the host, whether or not others can reach the port.

    Raise OSError, HTTPException, ValueError.
    """
    target = exporter.plan.target
    connection = http.client.HTTPConnection(target.asked, target.port, timeout=SCRAPE_SECONDS)
    connection.sock = tunnel.open_tcp(exporter.run.machine.host, target.asked, target.port)
    connection.sock.settimeout(SCRAPE_SECONDS)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        body = answer.read(MOST_BYTES)
        if answer.status != http.HTTPStatus.OK:
            raise ValueError(f"it answers {answer.status}")
        return body.decode("utf-8", "replace")
    finally:
        connection.close()


def _missing(exporter: Exporter, samples: list[Sample]) -> Iterator[str]:
    if ("redis_up", {}, 1.0) not in samples:
        errors = (
            labels.get("err", "") for name, labels, _ in samples if name == "redis_exporter_last_scrape_error"
        )
        yield f"redis_up: should be 1, is 0: {next(filter(None, errors), 'it does not say why')}"
        return
    sizes = {labels.get("key"): size for name, labels, size in samples if name == "redis_key_size"}
    keys = exporter.plan.target.keys
    missing = [key for key in keys if key not in sizes]
    # 1.69 leaves out all keys after the first that is missing: github.com/oliver006/redis_exporter/issues/1008
    stopped = next((place for place, key in enumerate(keys) if sizes.get(key) == 0), len(keys))
    if missing and keys.index(missing[0]) > stopped:
        exporter.run.machine.warn(
            f"{named(exporter)} does not export the lengths of queues after {keys[stopped]}, which has no jobs: "
            "`noevict serve` reports all of them"
        )
    elif missing:
        yield f"redis_key_size: should be exported for {missing[0]}, is not"


def _denied(before: dict[tuple[str, str, str], int], after: dict[tuple[str, str, str], int]) -> Iterator[str]:
    for key, count in after.items():
        reason, context, what = key
        if count > before.get(key, 0) and what != WITHHELD:
            yield f"user {USER}: was refused {what} ({reason}, {context}): allow it in redis_users, or run deploy.py"
