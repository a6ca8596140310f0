"""A server with the users that noevict makes, as clients meet one."""

from hashlib import sha256
from pathlib import Path

from noevict.acl.profiles import render_acl, wanted_users
from tests.lab.servers import Binary, Running, tls_conf
from tests.server.conftest import StartServer

PASSWORDS = {name: f"password-of-{name}" for name in ("admin", "app", "exporter", "health")}


def serve(binary: Binary, start_server: StartServer, tls_files: Path, tmp_path: Path) -> Running:
    """A server as noevict sets one up: TLS only, default off, no eviction."""
    digests = {name: sha256(password.encode()).hexdigest() for name, password in PASSWORDS.items()}
    (tmp_path / "users.acl").write_text(render_acl(wanted_users({}, digests, binary.server)))
    conf = f"""{tls_conf(tls_files)}aclfile "{tmp_path}/users.acl"
maxmemory 200mb
maxmemory-policy noeviction
dir "{{directory}}"
"""
    return start_server(binary, conf, client={"username": "admin", "password": PASSWORDS["admin"]})
