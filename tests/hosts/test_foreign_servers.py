"""What others set up on a host is refused by name, before anything is changed; what looks like data is never left."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, deploy
from tests.hosts.manual_changes import apply_changes, install_foreign, lines_about
from tests.hosts.refusals import OTHER, Refusal
from tests.hosts.test_refusals import As
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.lab.machine import ensure_packages, run
from tests.sampling import sample

ETC_UNIT = "/etc/systemd/system/redis-server.service"
DROPIN = f"{ETC_UNIT}.d/local.conf"
STOPPED = "systemctl disable --now UNIT"
LISTENS = OTHER.replace("PORT", "6379")


def unit(path: str, *lines: str) -> str:
    """A command: a unit of somebody's own."""
    text = "\\n".join(("[Service]", *lines, "[Install]", "WantedBy=multi-user.target", ""))
    return f"mkdir -p $(dirname {path}); printf '{text}' >{path} && systemctl daemon-reload"


# As DebOps' role redis_server has it, and DavidWittman's ansible-redis; a server built from source.
DEBOPS = (
    STOPPED,
    "mkdir -p -m 755 ETC/main /var/lib/redis/main && chown ENGINE /var/lib/redis/main",
    "printf 'port 6379\\nbind 127.0.0.1\\ndir /var/lib/redis/main\\ndaemonize yes\\n' >ETC/main/redis.conf",
    "echo 'pidfile /run/redis-main/redis-server.pid' >>ETC/main/redis.conf",
    unit(ETC_UNIT, "Type=oneshot", "ExecStart=/bin/true", "ExecReload=/bin/true", "RemainAfterExit=yes"),
    unit(
        "/etc/systemd/system/redis-server@.service",
        *("Type=forking", "ExecStart=/usr/bin/redis-server /etc/redis/%%i/redis.conf", "User=redis"),
        *("PIDFile=/run/redis-%%i/redis-server.pid", "RuntimeDirectory=redis-%%i", "Restart=always"),
    ),
    "systemctl enable --now redis-server redis-server@main",
    LISTENS,
)
OWN_PROGRAM = "cp /usr/bin/redis-server /usr/local/bin/redis-server"
SOURCE = (
    STOPPED,
    OWN_PROGRAM,
    "mkdir -p /srv/6379 && printf 'port 6379\\ndir /srv/6379\\nrequirepass open-sesame\\n' >/etc/6379.conf",
    unit("/etc/systemd/system/redis_6379.service", "ExecStart=/usr/local/bin/redis-server /etc/6379.conf"),
)
INIT = r"""
cat >/etc/init.d/redis_6390 <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides: redis_6390
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
EXEC=/usr/local/bin/redis-server
FILE="/etc/6390.conf"
[ "$1" != start ] || $EXEC $FILE
END
chmod 755 /etc/init.d/redis_6390 && update-rc.d redis_6390 defaults
"""
MOVES = "docs/taking-over.md says how its data moves"
TAKEN = "port 6379 is in use on {} by a program that is not redis-server.service: "
TAKEOVER = {"redis_takeover": True}

CASES = (
    Refusal(
        "a source install",
        TAKEN.format("0.0.0.0")  # noqa: S104 - reported, not bound
        + "redis_6379.service, port 6379, data in /srv/6379, configuration /etc/6379.conf: stop and disable it "
        f"(systemctl disable --now redis_6379.service); {MOVES}",
        manual_changes=(*SOURCE, "systemctl enable --now redis_6379", LISTENS),
    ),
    Refusal(
        "a source install, stopped and not disabled",
        "another Redis starts at each boot (redis_6379.service, configuration /etc/6379.conf): noevict manages one "
        f"server a host: disable it (systemctl disable redis_6379.service); {MOVES}",
        manual_changes=(*SOURCE, "systemctl enable redis_6379"),
        suite="bookworm",
    ),
    Refusal(
        "one of an init script",
        "another Redis starts at each boot (redis_6390.service, configuration /etc/6390.conf): noevict manages one ",
        manual_changes=(OWN_PROGRAM, INIT),
    ),
    Refusal(
        "DebOps' instance",
        TAKEN.format("127.0.0.1")
        + "redis-server@main.service, port 6379, data in /var/lib/redis/main, configuration "
        f"/etc/redis/main/redis.conf: stop and disable it (systemctl disable --now redis-server@main.service); {MOVES}",
        manual_changes=DEBOPS,
    ),
    Refusal(
        "DebOps' unit, whose instance is stopped",
        f"redis-server.service is {ETC_UNIT}, not the package's (Type=oneshot, starts /bin/true): stop what it runs, ",
        manual_changes=(*DEBOPS, "systemctl disable --now redis-server@main"),
        suite="bookworm",
    ),
    Refusal(
        "an instance of the package",
        "another Redis starts at each boot (redis-server@two.service, configuration /etc/redis/redis-two.conf): ",
        manual_changes=("systemctl enable redis-server@two",),
        suite="bookworm",
    ),
    Refusal(
        "one by hand, in the same directory",
        "another Redis runs here (by-hand.service, port 7000, data in /var/lib/redis): noevict manages one server a ",
        manual_changes=(
            "systemd-run -q --unit by-hand ENGINE-server --port 7000 --dir /var/lib/redis --requirepass open-sesame",
            OTHER.replace("PORT", "7000"),
        ),
    ),
    Refusal(
        "one by hand, in the directory of a managed one",
        "another Redis runs here (by-hand.service, port 7000, data in /var/lib/redis): noevict manages one server a ",
        start="managed",
        manual_changes=(
            "systemd-run -q --unit by-hand ENGINE-server --port 7000 --dir /var/lib/redis --dbfilename other.rdb",
            OTHER.replace("PORT", "7000"),
        ),
    ),
    Refusal(
        "the other engine",
        "another Valkey starts at each boot (valkey-server.service",
        manual_changes=("apt-get install -qy valkey-server", "systemctl stop valkey-server"),
    ),
    Refusal(
        "a unit of somebody's own",
        f"redis-server.service is {ETC_UNIT}, not the package's (Type=simple, starts /usr/local/bin/redis-server): ",
        manual_changes=(
            STOPPED,
            OWN_PROGRAM,
            unit(ETC_UNIT, "Type=simple", "ExecStart=/usr/local/bin/redis-server CONF --daemonize no", "User=redis"),
            "systemctl enable --now UNIT",
            LISTENS,
        ),
        settings=TAKEOVER,
        suite="bookworm",
    ),
    Refusal(
        "another start by a drop-in",
        f"redis-server.service: ExecStart should be the package's, set by {DROPIN} (starts /usr/bin/redis-server); ",
        manual_changes=(
            unit(DROPIN, "ExecStart=", "ExecStart=/usr/bin/redis-server CONF --requirepass open-sesame"),
        ),
        settings=TAKEOVER,
    ),
    Refusal(
        "a drop-in that would override ours",
        "redis-server.service: LimitNOFILE, set by /etc/systemd/system/redis-server.service.d/zz.conf, would override ",
        manual_changes=(unit("/etc/systemd/system/redis-server.service.d/zz.conf", "LimitNOFILE=1000"),),
        settings=TAKEOVER,
    ),
    Refusal(
        "stopped, with a file included",
        "its redis.conf includes other files (/etc/redis/local.conf), which may name other data: start it, ",
        manual_changes=(
            "mkdir -p /srv/data && chown ENGINE /srv/data && echo 'dir /srv/data' >ETC/local.conf",
            "echo 'include /etc/redis/local.conf' >>CONF && systemctl stop UNIT",
        ),
        suite="bookworm",
    ),
    Refusal(
        "stopped, with modules in its file",
        "loads, by its redis.conf, modules (rejson.so): noevict runs none",
        manual_changes=("systemctl stop UNIT && echo 'loadmodule /opt/rejson.so' >>CONF",),
        settings=TAKEOVER,
    ),
    Refusal(
        "stopped, with the append-only file of Redis 6",
        "has data of a Redis that noevict did not set up (/var/lib/redis/appendonly.aof): to take it over, ",
        manual_changes=("systemctl stop UNIT && rm -f DATA/dump.rdb && echo -n >DATA/appendonly.aof",),
    ),
    Refusal(
        "a directory that it cannot write",
        "its dir is /, noevict's is /var/lib/redis: its data would not be found, and its last save failed; do not "
        'stop it: copy its keys while it runs, as "Data elsewhere" in docs/taking-over.md says',
        manual_changes=(
            # A later line would be relative to the one before.
            "sed -i 's#^dir .*#dir ./#' CONF && systemctl restart UNIT",
            "ENGINE-cli set key value",
            "ENGINE-cli bgsave",
            "timeout 20 sh -c 'until ENGINE-cli info | grep -q bgsave_status:err; do sleep 0.1; done'",
        ),
        settings=TAKEOVER,
    ),
)  # fmt: skip


@dataclass
class Story:
    hosts: dict[str, Host]
    before: dict[str, As]
    after: dict[str, As]
    run: Result


@pytest.fixture(scope="module")
def story(boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    checkout = checkout_for_module
    hosts = dict(
        zip((each.id for each in CASES), boot_for_module(*(Spec(each.suite) for each in CASES)), strict=True)
    )
    managed = [hosts[each.id] for each in CASES if each.start == "managed"]
    checkout.list_hosts(managed)
    deploy(checkout)
    for each in CASES:
        if each.start == "foreign":
            install_foreign(hosts[each.id], *each.conf)
        apply_changes(checkout, hosts[each.id], each.manual_changes)
    checkout.list_hosts(list(hosts.values()), each={hosts[each.id].name: each.settings for each in CASES})
    before = {name: As.found(host) for name, host in hosts.items()}
    run = checkout.run(*DEPLOY)
    return Story(hosts, before, {name: As.found(host) for name, host in hosts.items()}, run)


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.id)
def test_it_is_refused_by_name_and_nothing_is_changed(story: Story, case: Refusal) -> None:
    lines = lines_about(story.run, story.hosts[case.id])
    assert [line for line in lines if line.startswith(case.reported)], lines
    assert "open-sesame" not in story.run.output
    assert story.after[case.id] == story.before[case.id]
    assert story.run.returncode == 1


# What Redis 6 writes with AOF on and `aof-use-rdb-preamble no`: commands.
COMMANDS = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" + "".join(
    f"*3\r\n$3\r\nSET\r\n${len(key)}\r\n{key}\r\n$1\r\n1\r\n" for key in (f"key:{n}" for n in range(300))
)


@pytest.mark.parametrize("suite", sample(["bookworm", "trixie"], "trixie"))
@pytest.mark.parametrize("package", sample(["installed", "missing"], "missing"))
def test_the_append_only_file_of_redis_6_is_taken_over_with_every_key(
    boot: Boot, checkout: Checkout, suite: str, package: str
) -> None:
    """Beside an RDB without a key, and newer, as a server leaves it that was installed and stopped."""
    [host] = boot(suite)
    install_foreign(host)
    host.run("systemctl stop redis-server")
    host.write("/var/lib/redis/appendonly.aof", COMMANDS)
    host.run("touch -d -1hour /var/lib/redis/appendonly.aof; test -s /var/lib/redis/dump.rdb")
    if package == "missing":
        host.run("apt-get purge -qy redis-server redis-tools", timeout=120)
        host.write("/var/lib/redis/appendonly.aof", COMMANDS)
    checkout.list_hosts([host])
    refused = checkout.run(*DEPLOY)
    assert refused.returncode == 1, refused
    assert "appendonly.aof): to take it over, keeping all keys, set redis_takeover = True" in refused.output
    checkout.list_hosts([host], redis_takeover=True)
    deploy(checkout)
    with admin(checkout, host) as client:
        assert client.dbsize() == 300
    host.run("systemctl restart redis-server")
    with admin(checkout, host) as client:
        assert client.dbsize() == 300
    assert_clean(checkout)


MODULE = r"""
#include <stddef.h>
int RedisModule_OnLoad(void **context, void **argv, int argc) {
  int (*get)(const char *, void *) = (int (*)(const char *, void *))context[0];
  void (*attributes)(void *, const char *, int, int);
  return get("RedisModule_SetModuleAttribs", &attributes) || (attributes(context, "mine", 1, 1), 0);
}
"""


def test_a_server_with_a_module_is_refused_by_its_name(
    boot: Boot, checkout: Checkout, tmp_path: Path
) -> None:
    hosts = boot("bookworm", "trixie")
    ensure_packages(("gcc", "libc6-dev"))
    (tmp_path / "mine.c").write_text(MODULE)
    run("gcc", "-w", "-shared", "-fPIC", "-o", str(tmp_path / "mine.so"), str(tmp_path / "mine.c"))
    for host in hosts:
        shutil.copy(tmp_path / "mine.so", host.root / "usr/lib/mine.so")
        install_foreign(host, "loadmodule /usr/lib/mine.so")
    checkout.list_hosts(hosts, redis_takeover=True)
    before = [As.found(host) for host in hosts]
    done = checkout.run(*DEPLOY)
    for host in hosts:
        assert [line for line in lines_about(done, host) if line.startswith("has loaded modules (mine): ")], (
            done
        )
    assert [As.found(host) for host in hosts] == before
