"""A real server, Debian's exporter beside it and Debian's Prometheus over both, on loopback, with the alert rules."""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from noevict.acl import render_acl, wanted_users
from noevict.alerts import RULES, target_labels
from noevict.settings import Settings
from tests.lab import prometheus
from tests.lab.servers import Binary, Running, free_port, wait_for

HOST = "cache-1"
QUEUE = "bull:email"
PASSWORDS = {name: f"password-of-{name}" for name in ("admin", "app", "health", "exporter")}
EXPORTER = ("--include-system-metrics", f"--check-single-keys=db0={QUEUE}:wait,db0={QUEUE}:active")
# What `noevict serve` says of one host.
NOEVICT = f"""\
noevict_build_info{{version="0.1.0"}} 1
noevict_up{{host="{HOST}"}} 1
noevict_certificate_not_after_timestamp_seconds{{host="{HOST}"}} 4e9
noevict_last_backup_timestamp_seconds{{host="{HOST}"}} 1.7e9
noevict_drift{{host="{HOST}"}} 1
noevict_last_look_timestamp_seconds{{host="{HOST}"}} 1.7e9
noevict_last_look_failed{{host="{HOST}"}} 0
noevict_queue_jobs{{host="{HOST}",queue="{QUEUE}",state="wait"}} 2
noevict_queue_jobs{{host="{HOST}",queue="{QUEUE}",state="active"}} 1
noevict_queue_jobs{{host="{HOST}",queue="{QUEUE}",state="failed"}} 1
"""


class Scraped:
    """One server under watch: ``server`` itself, and what Prometheus knows of it."""

    def __init__(self, server: Running, address: str) -> None:
        self.server, self._address = server, address

    def ask(self, path: str, **values: str) -> Any:
        """The data that Prometheus' API answers with."""
        answer = get(self._address, f"/api/v1/{path}?{urllib.parse.urlencode(values)}")
        assert answer is not None, f"{path} {values}"
        return json.loads(answer)["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series an expression has now."""
        found: list[dict[str, Any]] = self.ask("query", query=expr)["result"]
        return found

    def names(self) -> set[str]:
        """Every metric that was ever scraped or recorded."""
        return set(self.ask("label/__name__/values"))

    def firing(self) -> dict[str, dict[str, str]]:
        """Alert -> its annotations, filled in; pending ones too."""
        return {each["labels"]["alertname"]: each["annotations"] for each in self.ask("alerts")["alerts"]}


@contextmanager
def scraped_server(binary: Binary, suite: str, directory: Path, tls: Path) -> Iterator[Scraped]:
    """``binary`` as noevict sets it up, with the exporter and the Prometheus of a Debian release."""
    with ExitStack() as stack:
        server = Running(binary, _conf(binary, directory, tls), client=_admin())
        stack.callback(server.stop)
        exporter, noevict = free_port(), stack.enter_context(_serving(NOEVICT))
        environment = {
            "REDIS_ADDR": f"rediss://localhost:{server.tls_port}",
            "REDIS_USER": "exporter",
            "REDIS_PASSWORD": PASSWORDS["exporter"],
            "REDIS_EXPORTER_TLS_CA_CERT_FILE": str(tls / "ca.crt"),
            "REDIS_EXPORTER_WEB_LISTEN_ADDRESS": f"127.0.0.1:{exporter}",
        }
        stack.enter_context(running(prometheus.exporter(suite, *EXPORTER), directory, environment))
        config = _prometheus(directory, f"127.0.0.1:{exporter}", noevict)
        address = f"127.0.0.1:{free_port()}"
        flags = (f"--web.listen-address={address}", f"--storage.tsdb.path={directory / 'tsdb'}")
        command = prometheus.prometheus(suite, f"--config.file={config}", *flags)
        stack.enter_context(running(command, directory))
        under = Scraped(server, address)
        wait_for("Prometheus answers", lambda: get(address, "/-/ready"), 60)
        wait_for("both are scraped", lambda: len(under.query("redis_up == 1 or noevict_up")) == 2, 60)
        yield under


def _conf(binary: Binary, directory: Path, tls: Path) -> str:
    digests = {name: sha256(password.encode()).hexdigest() for name, password in PASSWORDS.items()}
    (directory / "users.acl").write_text(render_acl(wanted_users({}, digests, binary.server)))
    return f"""port 0
tls-port {free_port()}
bind 127.0.0.1 ::1
tls-cert-file "{tls}/server.crt"
tls-key-file "{tls}/server.key"
tls-ca-cert-file "{tls}/ca.crt"
tls-auth-clients no
aclfile "{directory}/users.acl"
maxmemory 100mb
maxmemory-policy noeviction
appendonly yes
save 3600 1
dir "{{directory}}"
"""


def _admin() -> dict[str, Any]:
    return {"host": "localhost", "username": "admin", "password": PASSWORDS["admin"]}


def _prometheus(directory: Path, exporter: str, noevict: str) -> Path:
    """Its configuration; each second it scrapes, and looks at the rules."""
    shutil.copy(RULES, directory / RULES.name)
    targets = {"targets": [exporter], "labels": target_labels(HOST, Settings())}
    jobs = [
        {"job_name": "hosts", "static_configs": [targets]},
        {"job_name": "noevict", "static_configs": [{"targets": [noevict]}]},
    ]
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": every, "rule_files": [RULES.name], "scrape_configs": jobs}))
    return config


@contextmanager
def running(
    command: Sequence[str], directory: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[None]:
    """The program, until the block ends; it must not end before. What it says is a file in the directory."""
    said = directory / f"{re.sub('[^a-z]', '', Path(command[3]).name)}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield
        assert process.poll() is None, said.read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _serving(text: str) -> Iterator[str]:
    """Where the text is answered to every GET."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def get(address: str, path: str) -> str | None:
    """What a GET is answered with; None as long as nobody does."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
            return str(answer.read().decode())
    except OSError:
        return None
