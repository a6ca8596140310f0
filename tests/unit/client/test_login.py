"""What a failure to look at a Redis means, and what lets noevict in."""

import ssl

import pytest
import redis

from noevict.client.login import with_advice

NO_CONFIG = "Command # 1 (CONFIG GET *) of pipeline caused error: unknown command 'CONFIG', with args beginning with: "


def alert(reason: str) -> redis.ConnectionError:
    """As redis-py raises what a server answered to a handshake."""
    cause = ssl.SSLError(1, f"[SSL: {reason}] sent by the server")
    cause.reason = reason
    error = redis.ConnectionError("Error 1 connecting")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("reason", ["TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA"])
def test_a_server_that_refuses_our_certificate_wants_one_of_its_own_ca(reason: str) -> None:
    assert with_advice(alert(reason)).startswith(
        "it asks for a client certificate of its own CA: run CONFIG SET "
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (redis.ResponseError(f"{NO_CONFIG}'GET' '*'"), "its command CONFIG is renamed or disabled: remove"),
        (redis.ResponseError("ERR unknown command 'auth'"), "its command AUTH is renamed or disabled"),
        (redis.exceptions.NoPermissionError("ops may not"), "ops may not: set takeover in secrets/users.yml"),
    ],
)  # fmt: skip
def test_commands_that_are_not_there_for_us_are_reported_with_the_next_step(
    error: Exception, words: str
) -> None:
    assert with_advice(error).startswith(words)


@pytest.mark.parametrize(
    "error",
    [alert("WRONG_VERSION_NUMBER"), redis.TimeoutError("timed out"), redis.ResponseError("MASTERDOWN")],
)
def test_anything_else_is_reported_as_it_is(error: Exception) -> None:
    assert with_advice(error) == str(error)
