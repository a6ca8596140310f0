"""The exporter beside Redis: where it listens, how it is configured, what is due, what Prometheus reads."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.companions.exporter import discovery, scrape
from noevict.companions.exporter.found import COMMAND, FoundExporter, parse_facts
from noevict.companions.exporter.look import not_yet
from noevict.companions.exporter.plan import make_plan
from noevict.companions.exporter.wanted import (
    BINARY,
    CA,
    CERTIFICATE,
    DROPIN,
    ETC,
    HANDED,
    KEY,
    PACKAGE,
    PASSWORDS,
    UNIT,
    WantedExporter,
    listen_address,
    make_target,
    redis_name,
)
from noevict.errors import NoevictError
from noevict.machine.addresses import Address
from noevict.machine.found import File, Package
from noevict.pki import authority, validity
from noevict.pki.certificate import Certificate, UserCertificate
from noevict.plan.plan import Plan
from noevict.secrets.store import Secrets
from noevict.server.password_rotation import OLDER
from noevict.settings.model import build_settings
from tests.unit.looks.captured import HERE
from tests.unit.looks.managed import managed

GOLDEN = Path(__file__).parents[1] / "golden"
ADDRESSES = tuple(
    Address(device, address)
    for device, address in (
        ("host0", "203.0.113.5"), ("host0", "10.0.0.5"), ("host1", "192.168.7.7"), ("docker0", "172.17.0.1"),
        ("host0", "2001:db8::5"), ("host0", "fd00::5"),
    )
)  # fmt: skip

# What Redis binds, the name clients use -> where the exporter listens.
LISTEN: Mapping[str, tuple[str, str, str]] = {
    "the first private one": ("127.0.0.1 -::1 10.0.0.5 192.168.7.7 fd00::5", "cache-1", "10.0.0.5"),
    "the one clients use": ("127.0.0.1 -::1 10.0.0.5 192.168.7.7", "192.168.7.7", "192.168.7.7"),
    "the one clients use, though public": ("203.0.113.5 10.0.0.5", "203.0.113.5", "203.0.113.5"),
    "not the one clients use where Redis is not": ("127.0.0.1 10.0.0.5", "203.0.113.5", "10.0.0.5"),
    "a public one alone": ("127.0.0.1 203.0.113.5", "cache-1", "203.0.113.5"),
    "loopback alone": ("127.0.0.1 -::1", "10.0.0.5", "127.0.0.1"),
    "loopback of IPv6 alone": ("::1", "cache-1", "::1"),
    "one that is there though it may be missing": ("127.0.0.1 -10.0.0.5", "cache-1", "10.0.0.5"),
    "not one that is missing": ("127.0.0.1 -10.9.9.9", "10.9.9.9", "127.0.0.1"),
    "one that no look reports": ("127.0.0.1 10.9.9.9", "cache-1", "10.9.9.9"),
    "all": ("* -::*", "10.0.0.5", ""),
    "all, in numbers": ("0.0.0.0 ::", "cache-1", ""),
    "all of IPv4: no address of IPv6": ("*", "cache-1", "10.0.0.5"),
    "all of IPv4, the one clients use": ("0.0.0.0", "203.0.113.5", "203.0.113.5"),  # noqa: S104 - a word of redis.conf
    "all of IPv6: no address of IPv4": ("-::*", "10.0.0.5", "fd00::5"),
}


@pytest.mark.parametrize("case", LISTEN)
def test_it_listens_where_redis_does_on_the_address_prometheus_comes_by(case: str) -> None:
    bind, name, wanted = LISTEN[case]
    assert listen_address(bind.split(), (name,), ADDRESSES) == wanted


words = st.sampled_from(["127.0.0.1", "-::1", "*", "-::*", "::", *(a.address for a in ADDRESSES)])


@given(st.lists(words, min_size=1, unique=True), st.sampled_from([a.address for a in ADDRESSES]))
def test_it_never_listens_where_redis_does_not(bind: list[str], name: str) -> None:
    found = listen_address(bind, (name,), ADDRESSES)
    bare = {each.removeprefix("-") for each in bind}
    four, six = "*" in bare, bool(bare & {"::*", "::"})
    if found == "":
        assert (four, six) == (True, True)
    elif found not in bare:
        assert six if ":" in found else (four or found == "127.0.0.1")


def own(*names: str) -> UserCertificate:
    ca = authority.make_ca(datetime.now(UTC))
    host = Certificate.parse(ca.certificate_pem)
    assert host is not None
    return UserCertificate(replace(host, names=frozenset(names)), "", "", "")


@pytest.mark.parametrize(
    ("bind", "certificate", "name"),
    [
        ("127.0.0.1 -::1 10.0.0.5", None, "localhost"),
        ("* -::*", None, "localhost"),
        ("-::1", None, "localhost"),
        ("10.0.0.5", None, "10.0.0.5"),
        ("127.0.0.1 10.0.0.5", own("localhost", "cache-1"), "localhost"),
        ("127.0.0.1 10.0.0.5", own("cache-1", "10.0.0.5"), "10.0.0.5"),
        ("127.0.0.1 10.0.0.5", own("cache-1"), "cache-1"),
    ],
)
def test_it_asks_redis_by_a_name_that_the_certificate_covers(
    bind: str, certificate: UserCertificate | None, name: str
) -> None:
    assert redis_name(bind.split(), "cache-1", certificate) == name


# --- its configuration -------------------------------------------------------------------------------------------


def a_target(name: str = "bookworm", *, systemd: int = 252, **settings: Any) -> WantedExporter:
    host = managed(name)
    asked = build_settings(name, {"redis_engine": host.settings.redis_engine, **settings})
    return make_target(asked, host.target, ADDRESSES, "10.0.0.5", "pass word", None, systemd)


@pytest.mark.parametrize("name", ["bookworm", "valkey"])
def test_the_drop_in_is_the_golden_one(name: str) -> None:
    """``UPDATE_GOLDEN=1 pytest`` rewrites them."""
    queues = ["email", "{bull}:a,b = 100%", 'shop:"ä"']
    target = a_target(name, systemd=252 if name == "bookworm" else 257, redis_queues=queues)
    text, golden = target.file(DROPIN).content, GOLDEN / f"prometheus-redis-exporter.conf-{name}"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text or "")
    assert text == golden.read_text()


def test_the_password_is_in_one_file_of_roots_and_only_for_its_own_redis() -> None:
    target = a_target(redis_port=7000)
    holders = [file for file in target.files if "pass word" in (file.content or "")]
    assert [(file.path, file.owner, file.group, file.mode) for file in holders] == [
        (PASSWORDS, "root", "root", "600")
    ]
    assert json.loads(holders[0].content or "") == {
        "rediss://localhost:7000": "pass word",
        "rediss://exporter@localhost:7000": "pass word",
    }
    assert "pass word" not in repr(target)
    assert "pass word" not in json.dumps(dict(target.environment))


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20), unique=True))
def test_a_queue_of_any_name_is_one_word_that_the_exporter_reads_back(names: list[str]) -> None:
    queues = [name for name in names if ":" not in name]
    target = a_target(redis_queues=queues)
    reported = target.environment.get("REDIS_EXPORTER_CHECK_SINGLE_KEYS", "")
    assert not set(reported) & set(" \"'\\$\t\n{}")
    # As Go's url.QueryUnescape does.
    keys = [unquote_plus(part.partition("=")[2]) for part in reported.split(",") if part]
    assert keys == list(target.keys)
    assert {f"bull:{name}:{state}" for name in queues for state in ("wait", "active", "failed")} <= set(keys)


# --- what is due -------------------------------------------------------------------------------------------------

SECRETS = managed("bookworm").secrets
NOW = datetime.now(UTC)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def certified(secrets: Secrets, days: int = validity.DAYS, now: datetime = NOW) -> tuple[str, str]:
    """A client's certificate and the digest of its key."""
    pem, _ = authority.make_client_certificate(secrets.ca, "exporter", now, days)
    parsed = Certificate.parse(pem)
    assert parsed is not None
    return pem, parsed.key_digest


def ours() -> Secrets:
    """With a CA that signs, and that the host has."""
    return replace(SECRETS, ca=authority.make_ca(NOW - timedelta(days=400)))


CA_OF_OURS = ours()
TARGET = a_target(redis_queues=["email"])
PEM, DIGEST = certified(CA_OF_OURS)


def as_wanted() -> FoundExporter:
    files = {
        file.path: File(
            file.path,
            "directory" if file.directory else "regular file",
            file.owner,
            file.group,
            file.mode,
            TARGET.digest(file.path) or sha256(file.path),
        )
        for file in TARGET.files
    }
    handed = {path.rpartition("/")[2]: files[path].sha256 or "" for path in HANDED}
    return FoundExporter(
        package=Package(PACKAGE, "install", "installed", "1.45.0-2"),
        systemd=252,
        unit={
            "LoadState": "loaded",
            "UnitFileState": "enabled",
            "NeedDaemonReload": "no",
            "SubState": "running",
            "DropInPaths": DROPIN,
        },
        loaded=dict(TARGET.environment),
        starts=COMMAND,
        pid=77,
        environment=dict(TARGET.environment),
        started=COMMAND,
        handed=handed,
        files=files,
        certificate=PEM,
        key_digest=DIGEST,
        busy=False,
        arguments=False,
        unwritable=(),
    )


WANTED = as_wanted()


def plan(found: FoundExporter, **target: Any) -> Plan:
    return make_plan(found, replace(TARGET, **target), CA_OF_OURS, NOW)


def but_file(path: str, **fields: Any) -> FoundExporter:
    """With another owner, mode, ... of one file; ``gone=True`` for none."""
    files = dict(WANTED.files)
    if fields.pop("gone", False):
        del files[path]
    else:
        files[path] = replace(files[path], **fields)
    return replace(WANTED, files=files)


def but_unit(**properties: str) -> FoundExporter:
    return replace(WANTED, unit={**WANTED.unit, **properties})


def but_reported(**words: str) -> FoundExporter:
    return replace(WANTED, environment={**WANTED.environment, **words})


def but_handed(**digests: str) -> FoundExporter:
    return replace(WANTED, handed={**WANTED.handed, **digests})


FRESH = replace(
    WANTED,
    package=None,
    unit={"LoadState": "not-found"},
    loaded={},
    starts="",
    pid=0,
    environment={},
    started="",
    handed={},
    files={},
    certificate=None,
    key_digest="",
)
OLD, OLD_DIGEST = certified(CA_OF_OURS, days=20)
LONG, LONG_DIGEST = certified(CA_OF_OURS, days=3000)
FOREIGN, FOREIGN_DIGEST = certified(ours())

# What was found -> what is due: [how] what.
DUE: Mapping[str, tuple[FoundExporter, list[str]]] = {
    "nothing": (WANTED, []),
    "no package": (
        replace(WANTED, package=None, pid=0, environment={}, handed={}),
        ["[package] package prometheus-redis-exporter"],
    ),
    "a package that was removed": (
        replace(
            WANTED,
            package=Package(PACKAGE, "deinstall", "config-files", "1"),
            pid=0,
            environment={},
            handed={},
        ),
        ["[package] package prometheus-redis-exporter"],
    ),
    "a fresh host": (
        FRESH,
        [
            "[package] package prometheus-redis-exporter",
            f"[certificate] {CERTIFICATE}",
            *(f"[file] {path}" for path in (ETC, DROPIN.rpartition("/")[0], PASSWORDS, CA, DROPIN)),
        ],
    ),
    "masked": (but_unit(LoadState="masked", UnitFileState="masked"), [f"[unit] {UNIT}"]),
    "disabled": (but_unit(UnitFileState="disabled"), [f"[unit] {UNIT}"]),
    "stopped": (replace(but_unit(SubState="dead"), pid=0, environment={}, handed={}), [f"[unit] {UNIT}"]),
    "not read again": (but_unit(NeedDaemonReload="yes"), [f"[unit] {UNIT}"]),
    "a password that others may read": (but_file(PASSWORDS, mode="644"), [f"[file] {PASSWORDS} mode"]),
    "a directory that others may enter": (but_file(ETC, mode="755"), [f"[file] {ETC} mode"]),
    "another's key": (but_file(KEY, owner="prometheus"), [f"[file] {KEY} owner"]),
    "a file by hand": (but_file(PASSWORDS, sha256="0"), [f"[file] {PASSWORDS}"]),
    "a link": (but_file(CA, kind="symbolic link"), [f"[file] {CA}"]),
    "no drop-in": (but_file(DROPIN, gone=True), [f"[file] {DROPIN}"]),
    "another password in use": (but_handed(**{"passwords.json": "0"}), [f"[restart] {PASSWORDS}"]),
    "another CA in use": (but_handed(**{"ca.crt": "0"}), [f"[restart] {CA}"]),
    "another user": (but_reported(REDIS_USER="default"), ["[restart] REDIS_USER"]),
    "a password too many": (but_reported(REDIS_PASSWORD="(hidden)"), ["[restart] REDIS_PASSWORD"]),
    "started with arguments": (replace(WANTED, started="0"), [f"[restart] arguments of {PACKAGE}"]),
    "a certificate that ends soon": (
        replace(WANTED, certificate=OLD, key_digest=OLD_DIGEST),
        [f"[certificate] {CERTIFICATE}", f"[restart] {CERTIFICATE}"],
    ),
    "a certificate for ten years, as the first ones were": (
        replace(WANTED, certificate=LONG, key_digest=LONG_DIGEST),
        [f"[certificate] {CERTIFICATE}", f"[restart] {CERTIFICATE}"],
    ),
    "a certificate of another CA": (
        replace(WANTED, certificate=FOREIGN, key_digest=FOREIGN_DIGEST),
        [f"[certificate] {CERTIFICATE}", f"[restart] {CERTIFICATE}"],
    ),
    "a key that was lost": (
        replace(but_file(KEY, gone=True), key_digest=""),
        [f"[certificate] {CERTIFICATE}", f"[restart] {CERTIFICATE}", f"[restart] {KEY}"],
    ),
}


@pytest.mark.parametrize("case", DUE)
def test_what_is_due_is_reported_by_name_and_nothing_else_is(case: str) -> None:
    found, due = DUE[case]
    made = plan(found)
    assert (made.refusals, made.faults) == ((), ())
    assert [f"[{change.how}] {change.what}" for change in made.changes] == due


OVERRIDE = f"{DROPIN.rpartition('/')[0]}/override.conf"
FAULTS: Mapping[str, tuple[FoundExporter, list[str]]] = {
    "another word": (
        replace(
            but_unit(DropInPaths=f"{DROPIN} {OVERRIDE}"),
            loaded={**WANTED.loaded, "REDIS_USER": "default"},
            environment={**WANTED.environment, "REDIS_USER": "default"},
        ),
        ["REDIS_USER should be exporter, is overridden by", OVERRIDE],
    ),
    "a password": (
        replace(WANTED, loaded={**WANTED.loaded, "REDIS_PASSWORD": "(hidden)"}),
        ["REDIS_PASSWORD should be left out, is overridden by", "the unit itself"],
    ),
    "arguments": (replace(WANTED, starts="0", started="0"), [f"should start {BINARY} without arguments"]),
    "a file of its environment": (but_unit(EnvironmentFiles="/etc/default/x"), ["no EnvironmentFile"]),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_overrides_ours_is_reported_and_not_fought_by_restarts(case: str) -> None:
    found, words = FAULTS[case]
    made = plan(found)
    assert made.changes == ()
    assert [fault for fault in made.faults if all(word in fault for word in words)] == list(made.faults) != []


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (replace(WANTED, systemd=0), "needs systemd"),
        (replace(WANTED, busy=True), "port 9121 is in use"),
        (replace(WANTED, unwritable=("/etc/systemd/system",)), "cannot be changed, not even by root"),
        (but_file(PASSWORDS, kind="directory"), "should be a regular file, is a directory"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_changed(found: FoundExporter, word: str) -> None:
    made = plan(found)
    assert [word in line for line in made.refusals] == [True]
    assert made.changes == ()


def test_more_queues_than_a_process_can_be_given_are_refused() -> None:
    queues = [f"a queue with a rather long name, number {number}" for number in range(300)]
    target = a_target(redis_queues=queues)
    made = make_plan(WANTED, target, CA_OF_OURS, NOW)
    assert [line.startswith("redis_queues: should be fewer") for line in made.refusals] == [True]
    assert not make_plan(WANTED, a_target(redis_queues=queues[:150]), CA_OF_OURS, NOW).refusals


def test_only_loopback_and_arguments_that_are_not_read_any_more_are_reported() -> None:
    assert plan(WANTED).notices == ()
    assert "listens only on loopback" in plan(WANTED, listen="127.0.0.1").notices[0]
    assert "ARGS in /etc/default" in plan(replace(WANTED, arguments=True)).notices[0]


# --- the look ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bookworm", "trixie"])
def test_a_real_look_is_read_whole(name: str) -> None:
    found = parse_facts((HERE / f"exporter-{name}.txt").read_text().splitlines())
    assert found.installed
    assert found.systemd == {"bookworm": 252, "trixie": 257}[name]
    assert found.loaded == found.environment
    assert found.environment["REDIS_USER"] == "exporter"
    assert found.starts == found.started == COMMAND
    assert {path.rpartition("/")[2] for path in HANDED} == set(found.handed)
    assert {path: found.handed[path.rpartition("/")[2]] for path in HANDED} == {
        path: found.files[path].sha256 for path in HANDED
    }
    certificate = Certificate.parse(found.certificate or "")
    assert certificate is not None
    assert certificate.key_digest == found.key_digest


@pytest.mark.parametrize("change", [lambda lines: lines[:-1], lambda _: [], lambda lines: ["pid x", *lines]])
def test_half_a_look_and_nonsense_are_that_hosts_failure(change: Any) -> None:
    lines = (HERE / "exporter-trixie.txt").read_text().splitlines()
    with pytest.raises(NoevictError, match="the look at its exporter"):
        parse_facts(change(lines))


# --- what Prometheus gets ----------------------------------------------------------------------------------------


def test_samples_are_read_with_their_labels() -> None:
    text = '# HELP x y\n# TYPE x gauge\nx 1\ny{a="1",key="b \\"c\\" \\\\ {d},\\n"} 2.5e+06\n\nz NaN\n'
    found = list(scrape.parse(text))
    assert found[:2] == [("x", {}, 1.0), ("y", {"a": "1", "key": 'b "c" \\ {d},\n'}, 2500000.0)]


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        "x",
        "x one",
        'x{a="1} 1',
        "# TYPE x ",
        f'x{{a="{"1" * scrape.LONGEST_LINE}"}} 1',
    ],
    ids=lambda text: text[:10],
)
def test_what_are_no_samples_is_an_error_in_a_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no sample: ") as refused:
        list(scrape.parse(text))
    assert len(str(refused.value)) < 100


@given(st.text(st.sampled_from('ab{}"=, \\#\n1'), max_size=30))
def test_any_text_is_samples_or_an_error(text: str) -> None:
    with suppress(ValueError):
        assert all(isinstance(value, float) for _, _, value in scrape.parse(text))


HOSTS = {"a": ("redis",), "b": ("redis", "web"), "c": ("redis",)}


def entry(host: str, address: str = "10.0.0.5:9121") -> dict[str, Any]:
    return {"targets": [address], "labels": {"host": host}}


def targets(*hosts: str) -> str:
    return json.dumps([entry(host) for host in hosts])


@pytest.mark.parametrize(
    ("text", "new", "hosts"),
    [
        ("", entry("b"), ["b"]),
        (targets("a", "b"), entry("b", "10.0.0.6:9121"), ["a", "b"]),
        (targets("a", "c"), entry("b"), ["a", "b", "c"]),
        (targets("a", "gone"), entry("b"), ["a", "b"]),
        (targets("a", "b"), None, ["a"]),
        ("{", entry("b"), ["b"]),
        ('[{"targets": []}]', entry("b"), ["b"]),
        ("[[]]", entry("b"), ["b"]),
    ],
)
def test_a_host_has_one_entry_and_the_others_of_hosts_yml_keep_theirs(
    text: str, new: dict[str, Any] | None, hosts: list[str]
) -> None:
    written = discovery.with_entry(text, new, "b", HOSTS)
    found = json.loads(written)
    assert [each["labels"]["host"] for each in found] == hosts
    assert new is None or new in found
    assert discovery.with_entry(written, new, "b", HOSTS) == written


# Which Redis is one to monitor


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        ((), None),
        (("older password of admin",), None),  # the end of the move is the exporter's too
        (
            ("user app on",),
            "user app ",
        ),  # redis_users or users.yml was changed, and deploy.py did not run since
        (("user stranger on nopass ~* +@all",), "user stranger "),
    ],
)
def test_a_redis_whose_users_wait_for_a_deploy_is_none_to_monitor_yet(
    lines: tuple[str, ...], refused: str | None
) -> None:
    host = managed("trixie")
    if lines and lines[0].startswith("older"):
        [admin] = (line for line in host.state.live.acl if line.startswith("user admin "))
        old = hashlib.sha256(host.secrets.passwords["admin"].encode()).hexdigest()
        host = host.but_acl(admin.replace(" #", f" #{old} #", 1))
        assert [each.what for each in host.plan.changes] == [f"user admin {OLDER}"]
    elif lines:
        host = host.but_acl(*lines)
    run: Any = SimpleNamespace(
        machine=SimpleNamespace(duplicate_of=()), of_others=(),
        managed=True, layout=host.layout, found=host.state, settings=host.settings,
        plan=host.plan, secrets=host.secrets, context=SimpleNamespace(now=host.now),
    )  # fmt: skip
    reported = not_yet(run)
    if refused is None:
        assert reported == ()
    else:
        assert [line.startswith(refused) and line.endswith(": run deploy.py first") for line in reported] == [
            True
        ]


def test_the_log_of_an_exporter_that_does_not_answer_is_read_without_a_complaint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = []

    def shell(text: str, what: str) -> list[str]:  # noqa: ARG001 - as InstanceRun's
        sent.append(text)
        return []

    def no_answer(_: object) -> str:
        raise ValueError("it answers 500")

    monkeypatch.setattr(scrape, "_scrape", no_answer)
    exporter: Any = SimpleNamespace(
        run=SimpleNamespace(machine=SimpleNamespace(shell=shell)),
        plan=SimpleNamespace(target=SimpleNamespace(listen="", port=9121)),
    )
    with pytest.raises(NoevictError, match=r"\(it answers 500\): its log says nothing$"):
        scrape._scrape_until_it_answers(exporter)
    [text] = sent
    # A journal of two lines, and one says why; no file of a log is asked for.
    journal = "journalctl() { printf 'level=error cannot bind\\nfine\\n'; }"
    on_systemd = f"{journal}\nsystemctl() {{ :; }}\n{text}".replace("/run/systemd/system", "/")
    done = subprocess.run(["bash", "-c", on_systemd], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "level=error cannot bind\n", "")
    none = subprocess.run(["bash", "-xc", text], capture_output=True, text=True, check=False)
    assert "descriptors tail" not in none.stderr
