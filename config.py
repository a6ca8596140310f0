"""pyinfra's own settings for this project."""

from resource import RLIMIT_NOFILE, getrlimit

from pyinfra import config

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"  # 4 is a rewrite

# pyinfra runs hosts in batches of PARALLEL and waits for the slowest of each: all at once, as far as the limit
# on open files goes (three a host). `pyinfra --parallel N` overrides it.
config.PARALLEL = min(500, (getrlimit(RLIMIT_NOFILE)[0] - 10) // 3)
