# `make help` tells what there is. As an ordinary user everything happens here; as root `make`
# installs what the host lacks and does the work as an unprivileged user (tests/setup/as-user).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
PYTEST_ARGS ?=
# Folders that hold no test yet are not in the repository.
UNIT := $(wildcard tests/unit tests/architecture)
INTEGRATION := $(wildcard tests/integration)
E2E := $(wildcard tests/e2e)
FAULTS := $(wildcard tests/faults)
FAULTS_ARGS ?= --all --write
# Go builds the lifecycle and bench's pack. In front of PATH only when it is not there already.
WITH_GO = go=$$(tests/setup/go-bin) && PATH="$$go:$$PATH"

HERE := help format docs lock clean
AS_USER := setup demo test test-unit test-integration e2e check lint types builder bench bench-peers \
	faults

.PHONY: $(HERE) $(AS_USER) host venv

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' Makefile
	@printf '\n  %s\n' 'PYTEST_ARGS="-k words" narrows every target that runs tests.'

ifeq ($(shell id -u),0)

$(AS_USER): host
	@tests/setup/as-user $@ $(if $(PYTEST_ARGS),PYTEST_ARGS='$(PYTEST_ARGS)') \
		$(if $(filter $@,faults),FAULTS_ARGS='$(FAULTS_ARGS)')

else

setup: builder ## prepare everything: system packages (as root), .venv, the embedded builder

demo: builder ## build, run and rebuild sample applications, and tell how long each phase took
	@$(WITH_GO) tests/setup/demo

test: lint types builder ## all there is to check: lint, types, every test (what CI runs)
	@$(WITH_GO) $(PYTEST) $(UNIT) $(INTEGRATION) $(E2E) $(FAULTS) $(PYTEST_ARGS)

check: lint types test-unit ## the quick part of test: lint, types, unit and architecture tests

test-unit: venv ## unit and architecture tests
	@$(PYTEST) $(UNIT) $(PYTEST_ARGS)

test-integration: venv ## tests against the real tools: skopeo, umoci, runc, podman, bubblewrap
	@$(PYTEST) $(INTEGRATION) $(PYTEST_ARGS)

e2e: builder ## build every sample with the real lifecycle through the command line
	@$(WITH_GO) $(PYTEST) $(E2E) $(PYTEST_ARGS)

faults: builder ## kill builds, tear files, fill disks; the figures of docs/reliability.md (an hour)
	@$(BIN)/python -m tests.faults $(FAULTS_ARGS)

lint: venv ## ruff, the format of the code, shellcheck
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@tests/setup/shell-scripts | xargs -0 -r shellcheck -x -P SCRIPTDIR -P .

types: venv ## mypy, strict
	@$(BIN)/mypy --explicit-package-bases

builder: venv ## the embedded builder image, made on this machine
	@$(WITH_GO) $(BIN)/locald builder create --embedded

bench: builder ## time cold, warm and changed-one-line builds
	@$(WITH_GO) $(BIN)/python -m tests.bench

bench-peers: builder ## the same beside podman build and pack
	@$(WITH_GO) $(BIN)/python -m tests.bench --peers

endif

format: venv ## put the code into its format and repair what ruff can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: venv ## write docs/cli.md anew from the commands themselves
	@$(BIN)/python -m tests.support.cli_reference

lock: venv ## resolve the dependencies of pyproject.toml anew into requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8,<1'
	@$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header \
		--extra dev --universal --python-version 3.11 pyproject.toml --output-file requirements.lock

clean: ## remove .venv, caches and build products (images and builders: `locald cache clear`)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build tests/bench/results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv: host
	@tests/setup/venv

host:
	@tests/setup/host
