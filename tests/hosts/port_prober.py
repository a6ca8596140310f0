"""Probes a host's Redis ports again and again, without a password, while something is done to the host."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.lab.host import Host

PROBE = r"""
import socket, ssl, sys, time
pause, tls_each, addresses, last = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:], {}
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

def ping(address, tls):
    with socket.create_connection((address, 6379), timeout=1) as connection:
        connection.settimeout(0.5)
        if tls:
            connection = context.wrap_socket(connection)
        connection.sendall(b"PING\r\nCONFIG GET port\r\n")
        return connection.recv(64)

print("probing", flush=True)
round = 0
while True:
    for address in addresses:
        for tls in (False, True) if round % tls_each == 0 else (False,):
            try:
                answer = repr(ping(address, tls))
            except OSError as error:
                answer = type(error).__name__
            if last.get((address, tls)) != answer:
                last[address, tls] = answer
                print(f"{'tls' if tls else 'plain'} {answer}", flush=True)
    round += 1
    time.sleep(pause)
"""
"""Asks every address, without TLS each time and over TLS each so many times; prints an answer that is not the last."""

Answers = dict[str, list[list[str]]]


@contextmanager
def probing_ports(
    hosts: Iterable[Host], inside: bool = True, pause: float = 0.02, tls_each: int = 5
) -> Iterator[Answers]:
    """Probe from the hosts' network and, if ``inside``, from each host itself (which ends with the host).

    ``tls_each``: over TLS once in so many times. Return host -> the answers that each prober got, in order. They are
    complete when the block is done.
    """
    answers: Answers = {host.name: [] for host in hosts}
    loops = []
    for host in hosts:
        loops.append((host.name, _loop(pause, tls_each, host.address)))
        if inside:
            enter = ("nsenter", "-t", str(host.leader), "-n")
            loops.append((host.name, _loop(pause, tls_each, "127.0.0.1", host.address, enter=enter)))
    try:
        for _, loop in loops:
            assert loop.stdout
            assert loop.stdout.readline() == "probing\n"
        yield answers
    finally:
        for name, loop in loops:
            loop.terminate()
            answers[name].append(loop.communicate()[0].splitlines())


def _loop(pause: float, tls_each: int, *addresses: str, enter: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = (*enter, sys.executable, "-c", PROBE, str(pause), str(tls_each), *addresses)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace")


def answered(answers: Iterable[str]) -> list[str]:
    """Return the answers with content; a TLS alert (record type 21) has none, it asks for TLS."""
    return [answer for answer in answers if re.search(r" b['\"](?!'|\\x15\\x03)", answer)]


def assert_never_open(answers: list[list[str]], foreign: bool = False) -> None:
    """Assert that over TLS every prober was asked for a password, and that without TLS none got an answer.

    Answers of a ``foreign`` server before its take-over do not count: with the first NOAUTH over TLS it is ours.
    """
    assert any(map(answered, answers)), answers  # it was asked while it served
    for one in answers:
        ours = [number for number, answer in enumerate(one) if answer.startswith("tls b'-NOAUTH")]
        since = one[ours[0] if ours else len(one) :] if foreign else one
        assert all(answer.startswith("tls b'-NOAUTH") for answer in answered(since)), one
