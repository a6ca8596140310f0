# `make` or `make help` lists what there is. Everything works from a fresh clone; nothing needs preparing.

PYTHON ?= python3
HOSTS  ?= 3
SUITE  ?= trixie
BIN    := .venv/bin
LOWEST := .venv/lowest
# Of tests/server, where noevict itself speaks or listens by a library. The others ask Redis, or run scripts: the
# libraries' versions do not matter to them, and they take twice as long as `make test-lowest` altogether may.
BY_LIBRARY := $(patsubst %,tests/server/test_%.py,client console late_answers not_redis poll serve status watch)
# Workers for pytest. The tests of servers and hosts mostly wait for these.
PYTEST  = $(BIN)/python -m pytest -o faulthandler_timeout=900 -n $(WORKERS)
WORKERS = 2
# Of many similar cases, `make test` runs a sample chosen by name; `make test-long` runs all.
SOME   := -m "not long"
LAB    := $(PYTHON) -m tests.lab

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help deploy drift test test-unit test-server test-hosts test-lowest test-long lab lab-down bench check clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

deploy: .venv/deploy ## provision the hosts in hosts.yml and repair drift (YES=1: do not ask; ARGS=--dry: only look)
	@$(BIN)/python -m compileall -q noevict # pyinfra itself writes no .pyc
	@if [ -t 0 ] && [ -z "$(YES)" ]; then yes=; else yes=-y; fi; \
	set -x; $(BIN)/pyinfra $$yes $(ARGS) inventory deploy.py

drift: .venv/deploy ## what differs from the settings, over SSH; fails if something does (ARGS="--html drift.html")
	@$(BIN)/noevict drift $(ARGS)

test: test-unit test-server test-hosts ## every kind of test, of many similar cases a fixed sample; installs what they need

test-long: ## every test, every case of each: hours
	$(MAKE) test SOME=

test-unit: .venv/dev ## the pure tests: no root, no network, seconds (ARGS go to pytest)
	$(PYTEST) $(SOME) tests/unit $(ARGS)

test-server: private WORKERS = 4
test-server: .venv/dev ## against real Redis and Valkey processes of every supported release
	$(LAB) packages
	$(PYTEST) $(SOME) tests/server $(ARGS)

test-hosts: private WORKERS = 6
test-hosts: .venv/dev ## the users' commands against real Debian hosts over SSH (root)
	$(LAB) packages
	$(PYTEST) $(SOME) --dist loadfile --no-loadscope-reorder tests/hosts $(ARGS)

test-lowest: private BIN = $(LOWEST)/bin
test-lowest: $(LOWEST)/dev ## unit tests, and server tests that depend on libraries, with the lowest versions that the requirements allow
	$(LAB) packages
	$(PYTEST) $(SOME) tests/unit $(BY_LIBRARY) $(ARGS)

lab: ## boot disposable hosts to try things on (HOSTS=3 SUITE=trixie; root)
	@$(LAB) up --hosts $(HOSTS) --suite $(SUITE)

lab-down: ## remove them and all that was made for them
	@$(LAB) down

bench: .venv/dev ## the benchmarks, side by side with what noevict is compared with
	$(BIN)/python -m benchmarks $(ARGS)

check: .venv/dev ## format, lint, types, and that every test can be collected; rewrites nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@collected=$$($(BIN)/python -m pytest -p no:cacheprovider -qq --collect-only tests 2>&1) || { echo "$$collected"; exit 1; }

clean: ## remove the virtual environment and caches; secrets/ and a running lab stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment: what `make deploy` needs, and on top of it what the tests need -----------------

PIP  = $(BIN)/python -m pip --disable-pip-version-check --quiet install
# What pip says without a network is a page of attempts.
OFFLINE := Failed to establish a new connection|NameResolutionError|ConnectTimeout|ProxyError|from versions: none
INSTALL = @set -x; $(PIP) --editable $(1) >.venv/pip.log 2>&1 || { set +x; \
  if grep -qE "$(OFFLINE)" .venv/pip.log; then \
    echo "pip cannot reach its package index: connect this machine, or set HTTPS_PROXY or PIP_INDEX_URL; then run it again" \
      "(the whole output of pip: .venv/pip.log)"; \
  else cat .venv/pip.log; fi >&2; exit 1; }

.venv/deploy: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  test "$$(id -u)" = 0 || { echo "first, as root: apt-get install python3-venv" >&2; exit 1; }; \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy python3-venv; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "noevict needs Python 3.11 or later: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(call INSTALL,.)
	@touch $@

.venv/dev: .venv/deploy
	$(call INSTALL,'.[dev]')
	@touch $@

$(LOWEST)/dev: private BIN = $(LOWEST)/bin
$(LOWEST)/dev: .venv/deploy tests/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(BIN)/python -m tests.lowest >$(LOWEST)/constraints.txt
	$(call INSTALL,'.[dev]' --constraint $(LOWEST)/constraints.txt)
	@touch $@
