"""Starts the ``noevict`` command. Commands that connect to hosts need gevent, which has to patch before ssl is
imported.
"""

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
