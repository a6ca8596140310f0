"""Asks a server which commands a user may run."""

from collections.abc import Callable

from noevict.acl.rules import Catalogue
from tests.lab.servers import Running

# Answered before anybody has rights: no rule refuses them.
FREE = {"auth", "hello", "quit", "reset"}


def catalogue_of(server: Running) -> Catalogue:
    pipeline = server.redis.pipeline(transaction=False)
    for question in Catalogue.QUESTIONS:
        pipeline.execute_command(*question)
    return Catalogue.parse(pipeline.execute())


def dry_run(server: Running, catalogue: Catalogue, user: str) -> Callable[[], set[str]]:
    """Asks the server which of all its commands the user may run, on keys named ``0``."""
    connection = server.redis.connection_pool.get_connection()
    connection.send_command("COMMAND")
    reported = [each for top in connection.read_response() for each in (top, *top[9])]
    server.redis.connection_pool.release(connection)
    arity = {name.lower(): number for name, number, *_rest in reported}
    names = sorted(catalogue.commands - FREE)
    calls = [[*name.split("|"), *["0"] * 20][: abs(arity[name])] for name in names]

    def ask() -> set[str]:
        pipeline = server.redis.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command("ACL", "DRYRUN", user, *call)
        replies = pipeline.execute()
        assert all(reply == "OK" or "no permissions to" in reply for reply in replies), set(replies)
        return {name for name, reply in zip(names, replies, strict=True) if reply == "OK"}

    return ask
