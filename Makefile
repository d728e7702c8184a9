# `make demo` and `make test` install everything they need, and require only Python 3.11 or newer, git and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -q -p no:cacheprovider
# The longest first: each process takes one test at a time.
PACED := tests/chaos/test_sigkill.py tests/chaos tests/failures tests/console
ALONE := tests/chaos/test_shared_limit.py tests/integration/test_limiter.py
# Files run in the order of their collection: the longest first, so that no process waits for them at the end.
XDIST := $(PYTEST) --dist loadfile --no-loadscope-reorder
RUN_LOCK := requirements.lock
TEST_LOCK := requirements-test.lock
RELEASE_LOCK := requirements-release.lock

.DEFAULT_GOAL := help
# Without bytecode, every process of every test compiles the whole product again.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo quick test checks scan most paced alone prove image soak fuzz edits simulate lint types imports cover ledger mutate fields screenshots pictures docs bench sbom audit pin lock clean release

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/.run ## deliver 400 orders between five simulated systems, with faults, in under three minutes
	@$(BIN)/intake demo

quick: lint types imports $(VENV)/.test ## run the fast checks: lint, types, contracts, unit and conformance tests
	$(PYTEST) -n 3 tests/unit tests/contract

test: $(VENV)/.test ## run every check and test; the checks, which need one processor, run beside most tests
	@$(MAKE) --no-print-directory -j 2 checks most
	@$(MAKE) --no-print-directory paced
	@$(MAKE) --no-print-directory alone

checks: lint types imports scan

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

# The lab (simulators, conformance suite) never runs in a deployment. Findings of low severity are those of ruff (S), each with its reason.
scan: $(VENV)/.test
	$(BIN)/bandit -q -ll -r schemas tasks worker -x worker/lab

imports: $(VENV)/.test
	$(BIN)/lint-imports

most: $(VENV)/.test
	$(XDIST) -n 4 -m "not soak and not repeat and not paced and not alone" --durations 12

paced: $(VENV)/.test
	$(PYTEST) --dist load --maxschedchunk 1 -n 6 -m "paced and not soak and not repeat" --durations 8 $(PACED)

alone: $(VENV)/.test
	$(PYTEST) -m "alone and not soak and not repeat" --durations 3 $(ALONE)

cover: $(VENV)/.test ## measure the lines and branches that the tests reach; fails below the floor in pyproject.toml
	$(XDIST) -n 4 -m "not soak and not repeat and not paced and not alone" --cov --cov-report=term:skip-covered

ledger: $(VENV)/.test ## run the tests of the ledger on the server at REDIS=redis://127.0.0.1:6379/0, which they empty
	INTAKE_TEST_REDIS=$(or $(REDIS),redis://127.0.0.1:6379/0) $(PYTEST) tests/model tests/integration

prove: $(VENV)/.test ## run the crash matrix, write its table into the guarantees page, run the tests that repeat a promise, and draw new examples
	@PYTHONPATH=tests $(BIN)/python -m chaos.prove --page deploy/docs/guarantees.md
	INTAKE_TEST_RANDOM=1 $(PYTEST) -m "repeat and not soak"
	INTAKE_TEST_RANDOM=1 $(XDIST) -n 2 -m "hypothesis and not soak and not repeat"

image: $(VENV)/.test ## build the image of deploy/Dockerfile without an engine, and run it as other users (root; Debian's buildah and debootstrap)
	$(PYTEST) -s -m soak tests/integration/test_image.py

soak: $(VENV)/.test ## deliver ORDERS=1000000 orders with faults at every step, drawn from SEED=1 (half an hour or more)
	@PYTHONPATH=tests $(BIN)/python -m soak --orders $(or $(ORDERS),1000000) --seed $(or $(SEED),1) --latency $(or $(LATENCY),0.02 0.15) \
	  $(if $(RESUME),--home $(RESUME) --resume)

fuzz: $(VENV)/.test ## send RECORDS=100000 hostile records of each provider through the real poll and ingest (SEED=1; an hour and more)
	@PYTHONPATH=tests $(BIN)/python -m fuzz --records $(or $(RECORDS),100000) --seed $(or $(SEED),1) $(if $(ONLY),--only $(ONLY))

mutate: $(VENV)/.test ## break the code on purpose, one promise at a time: a test must detect each mutation (minutes)
	@PYTHONPATH=tests $(BIN)/python -m mutation

simulate: $(VENV)/.test ## simulate the whole worker on a fake clock: SEEDS=1000 runs 1000 histories, SEED=42 replays one
	@PYTHONPATH=tests $(BIN)/python -m simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100)) --minutes $(or $(MINUTES),5) --days $(or $(DAYS),0)

edits: $(VENV)/.test ## random histories of edits by the source and by people in the target: HISTORIES=1000 of each target, from SEED=1 on
	@PYTHONPATH=tests $(BIN)/python -m edits --histories $(or $(HISTORIES),1000) --seed $(or $(SEED),1)

fields: $(VENV)/.test ## write the pages that show the way of every field from each system to each other
	@PYTHONPATH=tests $(BIN)/python -m fields

screenshots: $(VENV)/.test ## write pictures of every page of the console into deploy/docs/console (Chromium)
	@PYTHONPATH=tests $(BIN)/python -m console

pictures: $(VENV)/.test ## make the pictures of the terminal in the README from a run of the demonstration
	@PYTHONPATH=tests $(BIN)/python -m pictures

docs: $(VENV)/.test ## build the pages of deploy/docs as a site, in build/site
	@PYTHONPATH=tests $(BIN)/python -m pages

bench: $(VENV)/.test ## measure this machine against alternatives (an hour; QUICK=1: four minutes); RUN="limit --rounds 1" runs one benchmark
	@PYTHONPATH=tests $(BIN)/python -m bench $(or $(RUN),all $(if $(QUICK),--quick))

sbom: $(VENV)/.test ## write sbom.json, the list of all packages that run (CycloneDX), from the lock file
	$(BIN)/cyclonedx-py requirements $(RUN_LOCK) --output-reproducible --of JSON -o sbom.json

audit: ## compare all packages that run with the known vulnerabilities of PyPI's database (needs uv and the network)
	uvx pip-audit@2.10.1 --strict --disable-pip --require-hashes -r $(RUN_LOCK)

pin: ## pin the images of deploy/ by the digests that their registries have now (needs skopeo or docker, and the network)
	sh deploy/pin-images.sh

lock: ## update the lock files (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --upgrade pyproject.toml --extra sandbox --extra receive --extra web --extra otel --group build -o $(RUN_LOCK)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  -c $(RUN_LOCK) pyproject.toml --extra sandbox --extra receive --extra web --extra otel --group build --group test -o $(TEST_LOCK)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  -c $(TEST_LOCK) --group build --group release -o $(RELEASE_LOCK)

release: $(VENV)/.test ## build, check and try a release; DRY=1 changes nothing (VERSION=0.2.0)
	@PYTHONPATH=tests $(BIN)/python -m release $(VERSION) $(if $(DRY),--dry-run)

clean: ## remove the virtual environment and the data of .intake
	rm -rf $(VENV) .intake

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Intake needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "[1/2] Creating a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.venv $(RUN_LOCK) pyproject.toml
	@echo "[2/2] Installing $$(grep -c == $(RUN_LOCK)) packages, each checked against its hash (under a minute)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r $(RUN_LOCK)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run $(TEST_LOCK) pyproject.toml
	@echo "Installing the packages of the checks, $$(grep -c == $(TEST_LOCK)) in all (about a minute)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps --no-build-isolation -r $(TEST_LOCK)
	@touch $@
