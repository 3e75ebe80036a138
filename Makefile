# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
# Needs Python 3.11 or newer, make and a package index. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
RUN_STAMP := $(VENV)/.runtime
STAMP := $(VENV)/.installed
PIP = $(PY) -m pip install --quiet --disable-pip-version-check
# Much of what tests do is waiting for processes: two workers for each core.
WORKERS := $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
PYTEST := $(PY) -m pytest -q -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help dev demo demo-report test test-device test-host test-e2e test-long lint format bench bench-report provision vectors clean

help:  ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

# What the tool itself needs: all that `make demo` installs.
$(RUN_STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.platform not in ("linux", "darwin"))' 2>/dev/null \
	    || { echo "Python 3.11 or newer on Linux or macOS is needed; name it with PYTHON=..."; exit 3; }
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements.lock && $(PIP) --no-deps -e . \
	    || { echo "Some package is not to be had for this Python and platform, or the package index is out of reach: see above."; exit 3; }
	@touch $@

# What tests, lint and benchmarks need besides.
$(STAMP): $(RUN_STAMP) requirements-dev.lock
	@echo "Adding what tests need to $(VENV) (once) ..."
	@$(PIP) -r requirements-dev.lock
	@touch $@

dev: $(STAMP)  ## Set up .venv with everything for working on the project

demo: $(RUN_STAMP)  ## The main job on this machine: meter, station, outage, power cut, proof (90 s)
	@$(BIN)/meterseal demo --out build/demo

test: $(STAMP) test-device test-host test-e2e  ## All tests, exhaustive ones with a small seed set
	@echo "Left out: tests marked \`long\` (every power cut, kills, fuzzing, soaks take too long for here): make test-long"

test-device: $(STAMP)  ## Device code on the real MicroPython VM
	@$(BIN)/micropython tests/run_device_tests.py

test-host: $(STAMP)  ## Device code on CPython, host tools
	@$(PYTEST) tests/firmware tests/host -m "not long"

test-e2e: $(STAMP)  ## Meter, station, collector and verifier together
	@$(PYTEST) tests/e2e -m "not long"

test-long: $(STAMP)  ## Exhaustive runs: every power cut, kill tests, fuzzing, soaks
	@$(PYTEST) tests -m long

lint: $(STAMP)  ## Style, dependency direction, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(PY) tests/check_layers.py

format: $(STAMP)  ## Put the code into its standard form
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(STAMP)  ## Every performance figure, as a ratio taken in one run: build/bench.json
	@$(PY) -m tests.bench

demo-report: $(STAMP)  ## A year of 200 simulated stations and its monitoring report (minutes)
	@$(PY) -m tests.fleet.demo_report --out build/demo-report

bench-report: $(STAMP)  ## A year of 25 and of 100 stations, from raw batches to tonnes (long)
	@$(PY) -m tests.bench.report_year

provision: $(RUN_STAMP)  ## Put the board at PORT into service (ARGS="--config station.json ...")
	@$(BIN)/meterseal provision $(or $(PORT),auto) $(ARGS)

vectors: $(STAMP)  ## Write the test vectors again; fails if anything differs
	@$(PY) tests/vectors/generate.py
	@git diff --exit-code --stat -- tests/vectors
	@test -z "$$(git ls-files --others --exclude-standard -- tests/vectors)" \
	    || { echo "Untracked files in tests/vectors:"; git ls-files --others --exclude-standard -- tests/vectors; exit 1; }

clean:  ## Remove what was built (not .venv)
	@rm -rf build dist
