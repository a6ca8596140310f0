"""The harness itself: what other tests rely on."""

import os

import pytest

from tests.lab.servers import Binary, Running, StartFailed, free_port, gone, tls_conf
from tests.server.conftest import StartServer


def test_every_release_runs_and_says_the_version_it_is(server: Running) -> None:
    reported = server.redis.info("server")
    assert server.server.engine == reported.get("server_name", "redis")
    version = reported.get("valkey_version", reported["redis_version"])
    assert ".".join(map(str, server.server.version)) == version


def test_a_restart_keeps_directory_and_port_and_ends_by_pid(
    binary: Binary, start_server: StartServer
) -> None:
    port = free_port()
    running = start_server(binary, f'port {port}\ndir "{{directory}}"\nappendonly yes\ndaemonize yes\n')
    running.redis.set("kept", "1")
    pid = running.redis.info("server")["process_id"]
    running.restart()
    assert running.redis.get("kept") == "1"
    assert running.port == port
    assert gone(pid)


def test_a_server_that_does_not_start_says_why(binary: Binary, start_server: StartServer) -> None:
    with pytest.raises(StartFailed, match="no-such-directive"):
        start_server(binary, f"port {free_port()}\nno-such-directive 1\n")


def test_tls_with_the_files_of_the_fixture(
    binary: Binary, start_server: StartServer, tls_files: os.PathLike[str]
) -> None:
    conf = f"{tls_conf(tls_files)}requirepass p\n"
    assert start_server(binary, conf, client={"password": "p"}).redis.ping()
