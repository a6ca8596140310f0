"""Commands that report how hosts are: ``drift``, ``status``, ``serve``."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from noevict.cli.checkout import ask_whose_state, find_root, host_data
from noevict.errors import NoevictError
from noevict.messages import one_line
from noevict.monitor.health.health import Status
from noevict.settings.model import read_settings


@click.command()
@click.argument("hosts", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "junit")),
    help="What to print: a table by default, JSON for programs, JUnit XML for CI systems.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page of HTML too, to attach to a ticket: what is wanted, in the file, live, and how it is repaired.",
)
def drift(hosts: tuple[str, ...], form: str | None, as_json: bool, html: Path | None) -> int:
    """Report what differs from the settings on HOSTS (all of them), over SSH. Nothing is changed.

    Exit codes: 0 no drift; 2 drift, or a server that refuses writes; 1 a host that could not be looked at, or that
    noevict leaves alone.
    """
    from noevict.drift import reports  # noqa: PLC0415 - it imports rich
    from noevict.drift.all_hosts import look_for_drift, record  # noqa: PLC0415 - it imports pyinfra

    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form}: should be one of them")
    if html is not None:
        reports.check_place(html)
    root = find_root()
    fleet, _ = read_settings(root)
    for host in hosts:
        host_data(fleet, host)
    for line in fleet.unused_group_data():
        click.echo(one_line(f"warning: {line}"), err=True)
    found, at = look_for_drift(root, fleet, hosts), datetime.now(UTC)
    reports.print_reports(found, "json" if as_json else form or "table", at)
    try:
        record(root, found, at)
    except NoevictError as error:  # a failure to write the records is no drift
        click.echo(one_line(f"for monitoring: {error}"), err=True)
    if html is not None:
        reports.write_html(found, html, at)
    if any(report.failure for report in found):
        return 1
    return 2 if any(report.drifted or report.writes for report in found) else 0


@click.command()
@click.argument("hosts", nargs=-1)
@click.option(
    "--watch", "keep_watching", is_flag=True, help="Keep looking, and show what changes, until ctrl-c."
)
@click.option(
    "--interval",
    type=click.FloatRange(1, 3600),
    default=5,
    show_default=True,
    help="Seconds between two looks of --watch.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, as /health/redis has it for several hosts."
)
def status(hosts: tuple[str, ...], keep_watching: bool, interval: float, as_json: bool) -> int:
    """Report how HOSTS (all of them) are now, the worst first. They are asked over TLS, as clients do.

    Exit codes: 0 all are healthy; 2 one is not; 1 a mistake. Of --watch: how they were at the end.
    """
    # They import rich.
    from noevict.monitor.asking import fleet  # noqa: PLC0415
    from noevict.monitor.terminal import live  # noqa: PLC0415
    from noevict.monitor.terminal.status import Screen  # noqa: PLC0415
    from noevict.monitor.web import answers  # noqa: PLC0415
    from noevict.terminal import console_for, print_lines  # noqa: PLC0415

    if keep_watching and as_json:
        raise click.UsageError("--watch and --json: should be one of them")
    console = console_for(sys.stdout)
    if keep_watching and (not console.is_terminal or console.is_dumb_terminal):
        raise click.UsageError("--watch: should be at a terminal, is not")
    root = find_root()
    ask_whose_state(root)
    views = live.watch(root, hosts, interval, console) if keep_watching else fleet.look_once(root, hosts)
    answer = answers.fleet_answer(views)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        print_lines(console, Screen(answer, datetime.now(UTC)))
    return 0 if answers.worst(views) is Status.HEALTHY else 2


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one."
)
@click.option(
    "--interval",
    type=click.IntRange(1, 3600),
    default=5,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option(
    "--allow-host",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="Another name that clients use for this service, beside addresses and this machine's names.",
)
def serve(host: str, port: int, interval: int, allowed: tuple[str, ...]) -> None:
    """Watch all hosts, and answer over HTTP how they are: a page, /health/redis, /metrics.

    \b
    /health/redis, /health/redis/HOST   JSON; 503 if a host is unhealthy
    /livez, /readyz                     whether this service itself works
    /metrics                            for Prometheus, beside prometheus-redis-exporter

    It has no password: anybody who reaches the port can read names of hosts and figures, but no secret.
    """
    from noevict.monitor.web.serve import serve as serve_  # noqa: PLC0415 - it imports a web server

    root = find_root()
    ask_whose_state(root)
    serve_(root, host, port, interval, allowed)
