"""Commands that record something: ``backed-up``, ``secrets accept``."""

import sys
from datetime import UTC, datetime, timedelta

import click

from noevict.cli.checkout import find_root, host_data
from noevict.errors import NoevictError
from noevict.fleet import records
from noevict.inventory.reader import read_fleet
from noevict.messages import one_line
from noevict.secrets.store import load_secrets
from noevict.settings.model import read_settings

TIMES = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


@click.command("backed-up")
@click.argument("hosts", nargs=-1, required=True)
@click.option("--at", type=click.DateTime(TIMES), help="When, in UTC, or with an offset; now if left out.")
def backed_up(hosts: tuple[str, ...], at: datetime | None) -> None:
    """Record that the data of HOSTS was backed up: for the last line of your own backup job.

    `noevict serve` shows when that was, and alerts if it was too long ago.
    """
    root = find_root()
    fleet = read_fleet(root)
    for host in hosts:
        host_data(fleet, host)
    now = datetime.now(UTC)
    time = now if at is None else at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if time > now + timedelta(minutes=5):
        raise NoevictError(f"--at: should not be in the future, got {time:%Y-%m-%d %H:%M:%S} UTC")
    records.write_backup(records.place(root), hosts, time)


@click.group("secrets", no_args_is_help=False)
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
    from noevict.cli.accept import look_ahead  # noqa: PLC0415 - it imports pyinfra

    root = find_root()
    fleet, _ = read_settings(root)
    for host in hosts:
        host_data(fleet, host)
    secrets = load_secrets(root)
    ahead = look_ahead(root, fleet, secrets, hosts)
    for host, why in ahead.unknown.items():
        click.echo(one_line(f"{host}: could not be asked for its generation: {why}"), err=True)
    if not ahead.given:
        click.echo(f"no host refuses this copy, which has generation {secrets.generation.number}")
        return 1 if ahead.unknown else 0
    for host, given in ahead.given.items():
        click.echo(f"{host}: has passwords of generation {given.number} ({given.digest[:8]})")
    if not yes:
        if not sys.stdin.isatty():
            raise NoevictError("--yes: should be given if there is no terminal to ask at")
        ours = f"{secrets.generation.number} ({secrets.generation.digest[:8]})"
        click.confirm(
            f"This copy has generation {ours}. Accept it? The next deploy gives these hosts its passwords",
            abort=True,
        )
    lifted = secrets.lift(ahead.number)
    click.echo(
        f"{secrets.path / 'users.yml'} has generation {lifted.generation.number} now: share it, then deploy"
    )
    return 1 if ahead.unknown else 0
