# Everything works from a bare clone: each target makes what it needs. Debian 12 needs git, make and python3-venv.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
RUNTIME := .venv/.ready-runtime
DEV := .venv/.ready-dev
# An installation follows what it was made from; our own code is installed in place and needs no renewal.
SOURCES := pyproject.toml constraints.txt .ci/make-venv
WORKERS ?= 3
ARGS ?=

.PHONY: help run test lint check fix trace bench constraints packages assets clean

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /make \1\t/p' Makefile | expand -t 20

run: $(RUNTIME) assets ## set up from nothing and run the demonstration; options by ARGS="..."
	@$(BIN)/tongban demo $(ARGS)

test: packages $(DEV) assets lint ## every check and every test
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(DEV) ## style, types and rings
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "make fix formats these files" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

check: lint trace ## what a commit must pass apart from the tests

fix: $(DEV) ## format and repair what can be repaired
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

trace: $(DEV) ## every requirement with the tests that show it
	@$(BIN)/python tests/trace.py

bench: $(DEV) ## measure throughput and latency on this machine
	@for bench in benchmarks/bench_*.py; do $(BIN)/python "$$bench" $(ARGS); done

constraints: ## renew constraints.txt with the newest versions pyproject.toml allows
	@.ci/renew-constraints

assets: $(RUNTIME) ## what the hall's pages take from npm
	@$(BIN)/python .ci/make_assets.py

packages: ## the Debian packages the tests need
	@.ci/install-packages

clean: ## remove what was built; state in var/ stays
	@rm -rf .venv dist node_modules hallservice/web/static/built .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

$(RUNTIME): $(SOURCES)
	@.ci/make-venv .
	@touch $@

$(DEV): $(SOURCES)
	@.ci/make-venv '.[dev]'
	@touch $(RUNTIME) $@
