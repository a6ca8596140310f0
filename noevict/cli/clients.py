"""Commands for people who connect to a host's Redis: ``url``, ``cli``, ``cert``."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import click

from noevict.cli.checkout import check_user, find_root, host_data
from noevict.fleet.endpoint import endpoint_of
from noevict.inventory.reader import read_fleet
from noevict.pki import validity
from noevict.secrets.store import load_secrets
from noevict.settings.model import Settings, settings_of


@click.command()
@click.argument("host")
@click.option("--user", default="app", show_default=True, help="Whose name and password are in it.")
@click.option("--ca", is_flag=True, help="Print the path of the CA's certificate instead.")
def url(host: str, user: str, ca: bool) -> None:
    """Print the rediss:// URL of HOST, with the password, for a client that trusts the CA's certificate.

    \b
    export REDIS_URL="$(noevict url cache-1)" NODE_EXTRA_CA_CERTS="$(noevict url cache-1 --ca)"
    """
    root = find_root()
    fleet = read_fleet(root)
    host_data(fleet, host)
    settings = settings_of(fleet, host)
    if ca:
        click.echo(_ca_path(root, settings))
        return
    check_user(host, user, settings)
    # Until the host has a password of its own, it has the older one, which all hosts share.
    password = load_secrets(root).known_host(host, fleet.hosts).unseen(user)[-1]
    endpoint = endpoint_of(fleet, host, settings)
    click.echo(redis_url(endpoint.host, endpoint.port, user, password))


class _CommandLast(click.Command):
    """Takes whatever follows HOST and the options as a Redis command: ``LRANGE list 0 -1``."""

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


@click.command("cli", cls=_CommandLast)
@click.argument("host")
@click.argument("command", nargs=-1, metavar="[COMMAND ...]")
@click.option("--user", default="app", show_default=True, help="Who to log in as.")
def cli_(host: str, command: tuple[str, ...], user: str) -> int:
    """Run a COMMAND on HOST's Redis, or prompt for commands, as redis-cli does, but without a password to type.

    \b
    noevict cli cache-1 --user admin INFO memory
    noevict cli cache-1 LRANGE bull:email:wait 0 -1
    noevict cli cache-1

    In a pipe it prints the reply as it is, and reads commands from its input if none is given.
    Ctrl-C ends SUBSCRIBE and MONITOR. What is typed is kept in no file; a COMMAND can be seen in the list of processes.
    Exit codes: 0 fine; 1 an error reply, or a mistake.
    """
    from noevict.console.connection import connect  # noqa: PLC0415 - as below
    from noevict.console.prompt import Console  # noqa: PLC0415 - no other command needs it
    from noevict.fleet.access import Access  # noqa: PLC0415 - it imports ssl

    root = find_root()
    fleet = read_fleet(root)
    host_data(fleet, host)
    settings = settings_of(fleet, host)
    check_user(host, user, settings)
    endpoint, access = endpoint_of(fleet, host, settings), Access(root)
    context, passwords = access.context(endpoint, datetime.now(UTC)), access.passwords(user, host)
    console = Console(host, lambda: connect(endpoint, context, user, passwords))
    console.connect()
    try:
        fine = console.run([os.fsencode(word) for word in command]) if command else console.converse()
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fine = True
    console.close()
    return 0 if fine else 1


@click.command()
@click.argument("name")
@click.option("--renew", is_flag=True, help="Replace the certificate and key that are there.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=validity.DAYS,
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


def redis_url(host: str, port: int, user: str, password: str) -> str:
    """Return a URL that every Redis client parses: percent-encoded, IPv6 in brackets."""
    bracketed = f"[{quote(host, safe=':')}]" if ":" in host else quote(host)
    return f"rediss://{quote(user, safe='')}:{quote(password, safe='')}@{bracketed}:{port}/0"


def _ca_path(root: Path, settings: Settings) -> Path:
    if settings.redis_tls_ca:
        return (root / Path(settings.redis_tls_ca).expanduser()).absolute()
    return load_secrets(root).path / "ca.crt"
