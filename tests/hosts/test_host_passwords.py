"""Each host has passwords of its own for admin, health and exporter; and an older copy of secrets/ does not count."""

import re
import shutil
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import yaml

from noevict.acl import diff as acl_diff
from noevict.secrets.store import sha256
from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, Fleet, admin, assert_clean, connect, deploy, managed_files, run_ids
from tests.hosts.exporter_checks import monitor, scrape, value
from tests.hosts.fault_injection import Fault, inject_faults, stop_injecting
from tests.hosts.manual_changes import lines_about
from tests.hosts.test_secrecy import files_with
from tests.lab.checkout import Checkout, Result
from tests.lab.host import Host
from tests.sampling import sample

OWN = ("admin", "health", "exporter")
OF_ALL = {user: f"password-of-{user}-on-all-hosts" for user in OWN}
ID, GENERATION = "/var/lib/noevict/id", "/var/lib/noevict/generation"


@pytest.fixture
def fleet(boot: Boot, checkout: Checkout) -> Fleet:
    made = Fleet(checkout, boot("bookworm", "trixie"))
    made.list_hosts()
    deploy(checkout)
    return made


def password(checkout: Checkout, name: str, user: str) -> str:
    """As `noevict url` prints it."""
    done = checkout.run("noevict", "url", name, "--user", user)
    assert done.returncode == 0, done
    return urlsplit(done.stdout.strip()).password or ""


def gets_in(checkout: Checkout, host: Host, user: str, password: str) -> bool:
    client = connect(checkout, host, user=user, password=password)
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return False
    finally:
        client.close()


def accepted(host: Host) -> Mapping[str, frozenset[str]]:
    """By its users.acl."""
    return acl_diff.passwords(host.run("cat /etc/redis/users.acl").stdout.splitlines())


def users_of(checkout: Checkout) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((checkout.secrets / "users.yml").read_text())
    return found


def as_before(fleet: Fleet, *only: Host) -> None:
    """As a noevict that knows of one password for all hosts leaves them, and secrets/."""
    checkout = fleet.checkout
    users = checkout.secrets / "users.yml"
    for host in only or fleet.hosts:
        with admin(checkout, host) as client:
            for user in OWN:
                client.execute_command("ACL", "SETUSER", user, "resetpass", f">{OF_ALL[user]}")
                old, new = sha256(password(checkout, host.name, user)), sha256(OF_ALL[user])
                host.run(f"sed -i 's/{old}/{new}/' /etc/redis/users.acl")
        host.run(f"rm -f {ID} {GENERATION}")
    kept = {
        user: each for user, each in users_of(checkout).items() if user not in ("host_secret", "generation")
    }
    users.write_text(yaml.safe_dump({**OF_ALL, **kept}))
    (checkout.secrets / "ids.yml").unlink(missing_ok=True)


def assert_moved(fleet: Fleet, *only: Host) -> None:
    """Each host takes its own passwords and no others, by file and live."""
    checkout = fleet.checkout
    for host in only or fleet.hosts:
        own = {user: password(checkout, host.name, user) for user in OWN}
        assert {user: gets_in(checkout, host, user, each) for user, each in own.items()} == dict.fromkeys(
            OWN, True
        )
        assert [user for user in OWN if gets_in(checkout, host, user, OF_ALL[user])] == []
        assert {user: accepted(host)[user] for user in OWN} == {
            user: {sha256(each)} for user, each in own.items()
        }


def test_no_host_takes_what_another_one_hears_at_a_login(fleet: Fleet) -> None:
    checkout, (one, other) = fleet.checkout, fleet.hosts
    for user in OWN:
        own, others = (password(checkout, host.name, user) for host in fleet.hosts)
        assert own != others
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", own)
        assert gets_in(checkout, one, user, own)
        assert not gets_in(checkout, one, user, others)
        assert not gets_in(checkout, other, user, own)
    assert password(checkout, one.name, "app") == password(checkout, other.name, "app")
    secret = users_of(checkout)["host_secret"]
    for host in fleet.hosts:
        found = host.run(f"stat -c '%U %a' /var/lib/noevict {ID} {GENERATION}").stdout
        assert found == "root 700\nroot 600\nroot 600\n"
        assert files_with([secret], host) == []
    assert checkout.run("noevict", "status").returncode == 0
    assert_clean(checkout)


def test_a_host_that_is_renamed_keeps_its_passwords_and_its_old_name_gets_others(
    fleet: Fleet, boot: Boot
) -> None:
    checkout, host = fleet.checkout, fleet.hosts[0]
    before, ids = {user: password(checkout, host.name, user) for user in OWN}, run_ids(fleet)
    files = managed_files(host)["/etc/redis/users.acl"]
    text = checkout.hosts_yml.read_text()
    checkout.hosts_yml.write_text(text.replace(f"{host.name}:", "renamed:"))
    deploy(checkout)
    assert {user: password(checkout, "renamed", user) for user in OWN} == before
    assert managed_files(host)["/etc/redis/users.acl"] == files
    with admin(checkout, host, password=before["admin"]) as client:
        assert client.info("server")["run_id"] == ids[0]
    assert checkout.run("noevict", "status").returncode == 0
    assert_clean(checkout)
    assert "renamed" in (checkout.secrets / "ids.yml").read_text()
    # A new host gets the name that is free now, once the old one does not call itself so.
    host.run("hostnamectl hostname renamed")
    [new] = boot("trixie")
    text = yaml.safe_load(checkout.hosts_yml.read_text())
    text["redis"][host.name] = {**text["redis"]["renamed"], "ssh_hostname": new.address}
    checkout.hosts_yml.write_text(yaml.safe_dump(text))
    deploy(checkout)
    assert {user: password(checkout, "renamed", user) for user in OWN} == before
    assert not {password(checkout, host.name, user) for user in OWN} & set(before.values())
    assert gets_in(checkout, new, "admin", password(checkout, host.name, "admin"))
    assert_clean(checkout)


def test_of_a_copied_disk_each_host_has_its_own_again(fleet: Fleet) -> None:
    checkout, (one, other) = fleet.checkout, fleet.hosts
    ids = run_ids(fleet)
    copied = password(checkout, one.name, "admin")
    with admin(checkout, other) as client:
        for user in OWN:
            mine, its = password(checkout, other.name, user), password(checkout, one.name, user)
            client.execute_command("ACL", "SETUSER", user, "resetpass", f">{its}")
            other.run(f"sed -i 's/{sha256(mine)}/{sha256(its)}/' /etc/redis/users.acl")
    other.run(f"cat >{ID}", input=one.run(f"cat {ID}").stdout)
    deploy(checkout)
    assert gets_in(checkout, one, "admin", copied)
    assert not gets_in(checkout, other, "admin", copied)
    assert gets_in(checkout, other, "admin", password(checkout, other.name, "admin"))
    assert run_ids(fleet) == ids
    assert_clean(checkout)


def test_hosts_with_the_passwords_of_all_hosts_get_their_own_with_no_restart_and_no_connection_cut(
    fleet: Fleet,
) -> None:
    checkout = fleet.checkout
    as_before(fleet)
    ids = run_ids_with(fleet, OF_ALL["admin"])
    standing = [connect(checkout, host, user, password=OF_ALL[user]) for host in fleet.hosts for user in OWN]
    kept = [client.client() for client in standing]
    for client in kept:
        client.ping()
    assert checkout.run("noevict", "status").returncode == 0  # before as after
    dry = checkout.run("pyinfra", "--dry", "inventory", "deploy.py")
    for host in fleet.hosts:
        due = [line for line in lines_about(dry, host) if line.startswith("due: user ")]
        assert due == [
            f"due: user {user} passwords: an outdated one → this host's own [live]" for user in sorted(OWN)
        ], dry
    assert "host_secret" not in users_of(checkout)
    deploy(checkout)
    assert_moved(fleet)
    for client in kept:
        client.ping()
        client.close()
    assert run_ids(fleet) == ids
    assert users_of(checkout).items() >= OF_ALL.items()
    assert_clean(checkout)
    assert checkout.run("noevict", "status").returncode == 0


def run_ids_with(fleet: Fleet, password: str) -> list[str]:
    found = []
    for host in fleet.hosts:
        with admin(fleet.checkout, host, password=password) as client:
            found.append(str(client.info("server")["run_id"]))
    return found


def test_a_host_out_of_reach_gets_its_own_when_it_is_back_and_until_then_keeps_the_old(fleet: Fleet) -> None:
    checkout, (one, other) = fleet.checkout, fleet.hosts
    as_before(fleet)
    done = checkout.run(*DEPLOY, "--limit", one.name)
    assert done.returncode == 0, done
    assert_moved(fleet, one)
    assert gets_in(checkout, other, "admin", OF_ALL["admin"])
    assert checkout.run("noevict", "status").returncode == 0
    deploy(checkout)
    assert_moved(fleet)
    assert_clean(checkout)


@pytest.mark.parametrize("when", sample(["before", "after"], "after"))
@pytest.mark.parametrize(
    "step",
    sample(
        ["Change the running server", "Files and kernel values", "Verify as a client"],
        "Files and kernel values",
    ),
)
def test_a_run_that_is_killed_on_the_way_is_finished_by_the_next(fleet: Fleet, step: str, when: str) -> None:
    checkout = fleet.checkout
    as_before(fleet)
    ids = run_ids_with(fleet, OF_ALL["admin"])
    inject_faults(checkout, Fault(step, when))  # type: ignore[arg-type]
    killed = checkout.run(*DEPLOY)
    assert killed.returncode == -9, killed
    stop_injecting(checkout)
    done = checkout.run(*DEPLOY)
    if done.returncode:  # a command of the killed run was at work
        deploy(checkout)
    assert_moved(fleet)
    assert run_ids(fleet) == ids
    assert_clean(checkout)


def test_the_exporters_old_password_counts_until_it_has_the_new_one(boot: Boot, checkout: Checkout) -> None:
    fleet = Fleet(checkout, boot("bookworm"))
    fleet.list_hosts()
    [host] = fleet.hosts
    deploy(checkout)
    as_before(fleet)
    checkout.run(*DEPLOY)
    old = {user: password(checkout, host.name, user) for user in OWN}
    monitor(checkout)
    # Another id stands for the passwords of before: those that the exporter was given are not to be the last ones.
    host.run(f"openssl rand -hex 16 >{ID}")
    deploy(checkout)
    assert value(scrape(host), "redis_up") == 1
    assert [user for user in OWN if gets_in(checkout, host, user, old[user])] == ["health", "exporter"]
    assert_clean(checkout)
    monitor(checkout)
    assert value(scrape(host), "redis_up") == 1
    assert [user for user in OWN if gets_in(checkout, host, user, old[user])] == []
    assert [
        user for user in OWN if not gets_in(checkout, host, user, password(checkout, host.name, user))
    ] == []
    assert_clean(checkout)


# An older copy of secrets/


def copied(checkout: Checkout, elsewhere: str) -> None:
    shutil.copytree(checkout.secrets, checkout.root.parent / elsewhere)


def put(checkout: Checkout, elsewhere: str) -> None:
    shutil.rmtree(checkout.secrets)
    shutil.copytree(checkout.root.parent / elsewhere, checkout.secrets)


def edit_app(checkout: Checkout, password: str) -> None:
    users = checkout.secrets / "users.yml"
    users.write_text(re.sub(r"(?m)^app: .*$", f"app: {password}", users.read_text()))


def lines(done: Result, host: Host, word: str) -> list[str]:
    return list(dict.fromkeys(line for line in lines_about(done, host) if word in line))


def test_an_older_copy_of_secrets_changes_nothing_until_it_is_accepted(
    boot: Boot, checkout: Checkout
) -> None:
    fleet = Fleet(checkout, boot("trixie"))
    fleet.list_hosts()
    [host] = fleet.hosts
    deploy(checkout)
    copied(checkout, "older")
    edit_app(checkout, "the-new-one")
    deploy(checkout)
    copied(checkout, "newer")
    files, given = managed_files(host), host.run(f"cat {GENERATION}").stdout

    put(checkout, "older")
    done = deploy(checkout, code=1)
    [line] = lines(done, host, "generation")
    number = int(given.split()[0])
    assert re.match(
        rf"has passwords of generation {number} of .*, and this copy is of generation {number - 1}: ", line
    )
    assert "noevict secrets accept" in line
    edit_app(checkout, "a-third-one")  # as if two had gone on from one copy
    done = deploy(checkout, code=1)
    assert re.search(rf"generation {number} of .* another generation {number} ", done.output), done
    assert checkout.run("noevict", "drift").returncode == 1
    assert managed_files(host) == files
    assert gets_in(checkout, host, "app", "the-new-one")

    refused = checkout.run("noevict", "secrets", "accept")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused
    assert "--yes" in refused.stderr
    accepted = checkout.run("noevict", "secrets", "accept", "--yes")
    assert accepted.returncode == 0, accepted
    deploy(checkout)
    assert gets_in(checkout, host, "app", "a-third-one")
    assert_clean(checkout)
    put(checkout, "newer")
    assert "it is older" in deploy(checkout, code=1).output
