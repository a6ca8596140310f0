"""Finds the checkout that a command runs in, and the hosts and users that the command names."""

from pathlib import Path
from typing import Any

import click

from noevict.acl.profiles import user_names
from noevict.errors import NoevictError
from noevict.fleet import records
from noevict.inventory.reader import Inventory
from noevict.messages import displayed, nearest, one_line
from noevict.settings.model import Settings


def find_root() -> Path:
    """Return the directory of `inventory`: the current one if it is there, else the checkout of this package."""
    for root in Path.cwd(), Path(__file__).resolve().parents[2]:
        if (root / "inventory").is_file() and (root / "deploy.py").is_file():
            return root
    raise NoevictError("noevict: should be run in the checkout, where `inventory` and `deploy.py` are")


def check_user(host: str, user: str, settings: Settings) -> None:
    users = user_names(settings.redis_users)
    if user not in users:
        hint = nearest(user, users)
        raise NoevictError(
            f"{host}: --user: should be one of {', '.join(users)}{hint}, got {displayed(user)}"
        )


def ask_whose_state(root: Path) -> None:
    """Warn if records of these hosts are where earlier releases kept them, so that they do not seem to be missing."""
    if question := records.unclaimed(root):
        click.echo(one_line(question), err=True)


def host_data(fleet: Inventory, host: str) -> dict[str, Any]:
    if host not in fleet.hosts:
        raise NoevictError(
            f"{displayed(host)}: should be a host in hosts.yml{nearest(host, fleet.hosts)}, is not"
        )
    return fleet.data(host)
