"""The ``noevict`` command, for questions about a fleet from day two on.

A command returns its exit code, or None for 0: 2 is drift, or a check that is not healthy. Mistakes and failures are
printed to stderr, a line each, and the exit code is 1, also for mistakes that click finds, for which click has 2.
Nothing here imports pyinfra, which takes longer than most answers do.
"""

import sys
from collections.abc import Sequence

import click

from noevict.cli.clients import cert, cli_, url
from noevict.cli.records import backed_up, secrets_group
from noevict.cli.reports import drift, serve, status
from noevict.errors import NoevictError
from noevict.messages import one_line


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
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


for command in (url, cli_, cert, drift, status, serve, backed_up, secrets_group):
    noevict.add_command(command)
