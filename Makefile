# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := media streams recorder api
PYTEST := $(BIN)/python -m pytest
# What failed beside everything else is judged once more by itself, both runs printed; failing again fails the run.
JUDGE = sh -c '"$$@" || { echo "== once more, the failed tests by themselves =="; "$$@" --last-failed --last-failed-no-failures none; }' judge $(PYTEST)
WEB_SOURCES := $(shell find web/src web/public -type f 2>/dev/null) web/index.html web/package.json web/vite.config.ts
DEMO_DATA ?= data/demo

.DEFAULT_GOAL := help
.PHONY: help demo run test lint types imports format unit integration browser fuzz soak bench web web-lint web-test wheel image lock clean packages

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# --- environments ---------------------------------------------------------------------------------------------------

$(VENV)/.runtime: requirements.txt pyproject.toml
	@deploy/install/python.sh $(PYTHON) $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

api/console/index.html: web/node_modules/.installed $(WEB_SOURCES)
	cd web && npm run --silent build

packages: ## install the Debian packages the tests need (root or sudo; says what it installs)
	@deploy/install/test-packages.sh

# --- running --------------------------------------------------------------------------------------------------------

demo: $(VENV)/.runtime api/console/index.html ## the whole hub with a sample county and six simulated cameras
	$(BIN)/xiangyun demo --data-dir $(DEMO_DATA)

run: $(VENV)/.runtime api/console/index.html ## the hub alone
	$(BIN)/xiangyun run

web: api/console/index.html ## build the console into api/console

# --- knowing --------------------------------------------------------------------------------------------------------

test: packages $(VENV)/.dev api/console/index.html ## everything to a green test run, browser tests included
	$(JUDGE) tests/unit tests/lint tests/fuzz
	$(JUDGE) tests/integration
	$(JUDGE) tests/browser
	cd web && npm run --silent test

unit: $(VENV)/.dev ## unit tests
	$(PYTEST) tests/unit tests/lint

integration: packages $(VENV)/.dev ## tests against real servers and foreign programs
	$(PYTEST) tests/integration

browser: packages $(VENV)/.dev api/console/index.html ## tests in headless Chromium
	$(PYTEST) tests/browser

fuzz: $(VENV)/.dev ## longer runs of the property tests (FUZZ_EXAMPLES=20000)
	HYPOTHESIS_PROFILE=long $(PYTEST) --timeout 3600 tests/fuzz

soak: packages $(VENV)/.dev ## faults for an hour: each defect beside 15 cameras, kills by chance, a database away for 60 s
	FAULT_AWAY_S=60 $(PYTEST) --timeout 3600 -s tests/integration/test_faults_database.py tests/soak

bench: packages $(VENV)/.dev ## measure beside the peers; prints tables, writes JSON to tests/bench/results
	$(BIN)/python -m tests.bench

lint: $(VENV)/.dev web/node_modules/.installed types imports ## ruff, mypy, import rules, ESLint, tsc
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd web && npm run --silent lint && npm run --silent types

types: $(VENV)/.dev ## mypy --strict over the four packages
	$(BIN)/mypy

imports: $(VENV)/.dev ## one direction of imports, one door per engine
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## format the Python sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# --- shipping -------------------------------------------------------------------------------------------------------

wheel: $(VENV)/.dev api/console/index.html ## a wheel with the console inside
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation -w dist .

image: ## a container image (needs a container engine)
	docker build -f deploy/Dockerfile -t xiangyun .

lock: $(VENV)/.dev ## renew the hashed requirement locks
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header --extra build -o requirements.txt pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header --extra build --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml

clean: ## remove everything that is built
	rm -rf $(VENV) web/node_modules api/console build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
