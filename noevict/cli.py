"""The ``noevict`` command: what people ask about their fleet from day two on.

A command returns its exit code, or None for 0: 2 is drift, or a check that is not healthy. Mistakes and failures
are a line each on stderr and exit code 1, click's own included, for which click has 2. Nothing here imports
pyinfra, which takes longer than most answers do.
"""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from noevict import pki
from noevict.acl import user_names
from noevict.errors import NoevictError
from noevict.inventory import Fleet, client_host, read_fleet
from noevict.secrets import load_secrets
from noevict.settings import Settings, read_settings, settings_of
from noevict.watch import records
from noevict.watch.health import Status
from noevict.wording import nearest, one_line, shown

TIMES = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command line."""
    try:
        code = noevict.main(list(arguments), prog_name="noevict", standalone_mode=False)
    except NoevictError as error:
        lines: Sequence[str] = error.lines
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "noevict"
        lines = [f"{error.format_message()} (see {command} --help)"]
    except click.ClickException as error:
        lines = [error.format_message()]
    except click.Abort:
        lines = ["interrupted"]
    else:
        return code if isinstance(code, int) else 0
    for line in lines:
        click.echo(one_line(" ".join(line.split())), err=True)
    return 1


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="noevict", prog_name="noevict", message="%(prog)s %(version)s")
def noevict() -> None:
    """Production Redis on hosts: it talks to Redis and reports. pyinfra changes hosts.

    Run it where `inventory` and `deploy.py` are; elsewhere it takes the checkout it was installed from.
    Exit codes: 0 fine; 2 drift, or not healthy; 1 a mistake or a failure.
    """


@noevict.command()
@click.argument("host")
@click.option("--user", default="app", show_default=True, help="Whose name and password are in it.")
@click.option("--ca", is_flag=True, help="Print the path of the CA's certificate instead.")
def url(host: str, user: str, ca: bool) -> None:
    """Print the rediss:// URL of HOST, password and all, for a client that trusts the CA's certificate.

    \b
    export REDIS_URL="$(noevict url cache-1)" NODE_EXTRA_CA_CERTS="$(noevict url cache-1 --ca)"
    """
    root = find_root()
    fleet = read_fleet(root)
    data = _data(fleet, host)
    settings = settings_of(fleet, host)
    if ca:
        click.echo(_ca_path(root, settings))
        return
    _check_user(host, user, settings)
    # Before its own, the host has the one that all hosts had.
    password = load_secrets(root).known_host(host, fleet.hosts).unseen(user)[-1]
    click.echo(redis_url(client_host(host, data), settings.redis_port, user, password))


class _CommandLast(click.Command):
    """What follows HOST and the options is a Redis command, whatever it looks like: ``LRANGE list 0 -1``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        valued = {name for each in self.params if not getattr(each, "is_flag", True) for name in each.opts}
        at = hosts = 0
        while at < len(args) and args[at] != "--":
            hosts += not args[at].startswith("-")
            if hosts == 2:
                args = [*args[:at], "--", *args[at:]]
                break
            at += 2 if args[at] in valued else 1
        return super().parse_args(ctx, args)


@noevict.command("cli", cls=_CommandLast)
@click.argument("host")
@click.argument("command", nargs=-1, metavar="[COMMAND ...]")
@click.option("--user", default="app", show_default=True, help="Who to log in as.")
def cli_(host: str, command: tuple[str, ...], user: str) -> int:
    """Run a COMMAND on HOST's Redis, or ask for one after the other: as redis-cli does, without a password to type.

    \b
    noevict cli cache-1 --user admin INFO memory
    noevict cli cache-1 LRANGE bull:email:wait 0 -1
    noevict cli cache-1

    In a pipe it prints the reply as it is, and reads commands from its input where none is given.
    Ctrl-C ends SUBSCRIBE and MONITOR. What is typed is kept in no file; a COMMAND can be seen in the list of processes.
    Exit codes: 0 fine; 1 an error reply, or a mistake.
    """
    from noevict.console.connection import connect  # noqa: PLC0415 - as below
    from noevict.console.prompt import Console  # noqa: PLC0415 - no other command needs it
    from noevict.watch.targets import Access, target_of  # noqa: PLC0415 - it imports ssl

    root = find_root()
    fleet = read_fleet(root)
    _data(fleet, host)
    settings = settings_of(fleet, host)
    _check_user(host, user, settings)
    target, access = target_of(fleet, host, settings), Access(root)
    context, passwords = access.context(target, datetime.now(UTC)), access.passwords(user, host)
    console = Console(host, lambda: connect(target, context, user, passwords))
    console.connect()
    try:
        fine = console.run([os.fsencode(word) for word in command]) if command else console.converse()
    except BrokenPipeError:  # who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fine = True
    console.close()
    return 0 if fine else 1


@noevict.command()
@click.argument("name")
@click.option("--renew", is_flag=True, help="Replace the certificate and key that are there.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=pki.DAYS,
    show_default=True,
    help="How long it is valid; not longer than the CA.",
)
def cert(name: str, renew: bool, days: int) -> None:
    """Issue a client certificate, for redis_tls_auth_clients, and print the paths of it and its key.

    It is signed by the fleet's CA, with NAME as its CN. Nothing renews it by itself.
    """
    now = datetime.now(UTC)
    secrets = load_secrets(find_root())
    for path in secrets.issue_client(name, now, days, renew=renew):
        click.echo(path)
    if warning := secrets.ca.warning(now):
        click.echo(warning, err=True)


@noevict.command()
@click.argument("hosts", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "junit")),
    help="Of what is printed: a table, unless told otherwise; JUnit XML is what CI systems read.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page of HTML too, to attach to a ticket: what is wanted, in the file, live, and how it is repaired.",
)
def drift(hosts: tuple[str, ...], form: str | None, as_json: bool, html: Path | None) -> int:
    """Tell what differs from the settings on HOSTS (all of them), over SSH. Nothing is changed.

    Exit codes: 0 no drift; 2 drift, or a server that refuses writes; 1 a host that could not be looked at, or that
    noevict leaves alone.
    """
    from noevict import reports  # noqa: PLC0415 - it imports rich
    from noevict.drift import look_for_drift, record  # noqa: PLC0415 - it imports pyinfra

    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form}: should be one of them")
    if html is not None:
        reports.check_place(html)
    root = find_root()
    fleet, _ = read_settings(root)
    for host in hosts:
        _data(fleet, host)
    found, at = look_for_drift(root, fleet, hosts), datetime.now(UTC)
    reports.tell(found, "json" if as_json else form or "table", at)
    try:
        record(root, found, at)
    except NoevictError as error:  # what monitoring does not learn is no drift
        click.echo(one_line(f"for monitoring: {error}"), err=True)
    if html is not None:
        reports.write_html(found, html, at)
    if any(report.failure for report in found):
        return 1
    return 2 if any(report.drifted or report.writes for report in found) else 0


@noevict.command()
@click.argument("hosts", nargs=-1)
@click.option("--watch", "goes_on", is_flag=True, help="Go on, and show what changes, until ctrl-c.")
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
def status(hosts: tuple[str, ...], goes_on: bool, interval: float, as_json: bool) -> int:
    """Tell how HOSTS (all of them) are now, the worst first: asked over TLS, as their clients do.

    Exit codes: 0 all are healthy; 2 one is not; 1 a mistake. Of --watch: how they were at the end.
    """
    # They import rich.
    from noevict.terminal import console_for, print_lines  # noqa: PLC0415
    from noevict.watch import answers, fleet, live  # noqa: PLC0415
    from noevict.watch.status import Screen  # noqa: PLC0415

    if goes_on and as_json:
        raise click.UsageError("--watch and --json: should be one of them")
    console = console_for(sys.stdout)
    if goes_on and (not console.is_terminal or console.is_dumb_terminal):
        raise click.UsageError("--watch: should be at a terminal, is not")
    root = find_root()
    _ask_whose_state(root)
    views = live.watch(root, hosts, interval, console) if goes_on else fleet.look_once(root, hosts)
    answer = answers.fleet_answer(views)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        print_lines(console, Screen(answer, datetime.now(UTC)))
    return 0 if answers.worst(views) is Status.HEALTHY else 2


@noevict.command()
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
    help="Another name that this service is asked by, beside addresses and this machine's own names.",
)
def serve(host: str, port: int, interval: int, allowed: tuple[str, ...]) -> None:
    """Watch all hosts, and answer over HTTP how they are: a page, /health/redis, /metrics.

    \b
    /health/redis, /health/redis/HOST   JSON; 503 where a host is unhealthy
    /livez, /readyz                     whether this service itself works
    /metrics                            for Prometheus, beside prometheus-redis-exporter

    It has no password of its own: whoever reaches the port reads names of hosts and figures, and no secret.
    """
    from noevict.watch.serve import serve as serve_  # noqa: PLC0415 - a web server, which no other command needs

    root = find_root()
    _ask_whose_state(root)
    serve_(root, host, port, interval, allowed)


@noevict.command("backed-up")
@click.argument("hosts", nargs=-1, required=True)
@click.option("--at", type=click.DateTime(TIMES), help="When, in UTC, or with an offset; now where left out.")
def backed_up(hosts: tuple[str, ...], at: datetime | None) -> None:
    """Record that the data of HOSTS was backed up: for the last line of your own backup job.

    `noevict serve` shows when that was, and alerts where it was too long ago.
    """
    root = find_root()
    fleet = read_fleet(root)
    for host in hosts:
        _data(fleet, host)
    now = datetime.now(UTC)
    time = now if at is None else at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if time > now + timedelta(minutes=5):
        raise NoevictError(f"--at: should not be in the future, got {time:%Y-%m-%d %H:%M:%S} UTC")
    records.write_backup(records.place(root), hosts, time)


@noevict.group("secrets", no_args_is_help=False)
def secrets_group() -> None:
    """The fleet's secrets: which copy of secrets/ counts."""


@secrets_group.command()
@click.argument("hosts", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
def accept(hosts: tuple[str, ...], yes: bool) -> int:
    """Let this copy of secrets/ count, although HOSTS (all of them) got passwords from a newer or another one.

    Hosts are only looked at, over SSH: they get the passwords of this copy by the next deploy.
    Exit codes: 0 it counts now, or did already; 1 a host could not be looked at, or a mistake.
    """
    from noevict.accept import look_ahead  # noqa: PLC0415 - it imports pyinfra

    root = find_root()
    fleet, _ = read_settings(root)
    for host in hosts:
        _data(fleet, host)
    secrets = load_secrets(root)
    ahead = look_ahead(root, fleet, secrets, hosts)
    for host, why in ahead.unknown.items():
        click.echo(one_line(f"{host}: could not be asked for its generation: {why}"), err=True)
    if not ahead.given:
        click.echo(f"no host refuses this copy, which is of generation {secrets.generation.number}")
        return 1 if ahead.unknown else 0
    for host, given in ahead.given.items():
        click.echo(f"{host}: has passwords of generation {given.number} ({given.digest[:8]})")
    if not yes:
        if not sys.stdin.isatty():
            raise NoevictError("--yes: should be given where there is no terminal to ask at")
        ours = f"{secrets.generation.number} ({secrets.generation.digest[:8]})"
        click.confirm(
            f"This copy is of generation {ours}. Let it count? The next deploy gives these hosts its passwords",
            abort=True,
        )
    lifted = secrets.lift(ahead.number)
    click.echo(
        f"{secrets.path / 'users.yml'} is of generation {lifted.generation.number} now: share it, then deploy"
    )
    return 1 if ahead.unknown else 0


def find_root() -> Path:
    """The directory of `inventory`: the current one if it has one, else the checkout of this package."""
    for root in Path.cwd(), Path(__file__).resolve().parent.parent:
        if (root / "inventory").is_file() and (root / "deploy.py").is_file():
            return root
    raise NoevictError("noevict: should be run in the checkout, where `inventory` and `deploy.py` are")


def redis_url(host: str, port: int, user: str, password: str) -> str:
    """As every Redis client parses it: percent-encoded, IPv6 in brackets."""
    bracketed = f"[{quote(host, safe=':')}]" if ":" in host else quote(host)
    return f"rediss://{quote(user, safe='')}:{quote(password, safe='')}@{bracketed}:{port}/0"


def _check_user(host: str, user: str, settings: Settings) -> None:
    users = user_names(settings.redis_users)
    if user not in users:
        hint = nearest(user, users)
        raise NoevictError(f"{host}: --user: should be one of {', '.join(users)}{hint}, got {shown(user)}")


def _ask_whose_state(root: Path) -> None:
    """Who only reads is served without what is recorded elsewhere, and is not left to think that there is nothing."""
    if question := records.unclaimed(root):
        click.echo(one_line(question), err=True)


def _data(fleet: Fleet, host: str) -> dict[str, Any]:
    if host not in fleet.hosts:
        raise NoevictError(
            f"{shown(host)}: should be a host in hosts.yml{nearest(host, fleet.hosts)}, is not"
        )
    return fleet.data(host)


def _ca_path(root: Path, settings: Settings) -> Path:
    if settings.redis_tls_ca:
        return (root / Path(settings.redis_tls_ca).expanduser()).absolute()
    return load_secrets(root).path / "ca.crt"
