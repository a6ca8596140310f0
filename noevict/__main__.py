"""The ``noevict`` command's start. What reaches hosts runs under gevent, which has to come before ssl is imported."""

import sys

REACHES_HOSTS = ("drift", "secrets")


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in REACHES_HOSTS:
        from gevent import monkey  # noqa: PLC0415 - see above

        monkey.patch_all()
    from noevict.cli import main  # noqa: PLC0415 - see above

    main.main()


if __name__ == "__main__":
    main()
