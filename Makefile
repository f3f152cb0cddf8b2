# Two commands do everything on a fresh machine: make demo, make test.
# uv is used where it is present, venv and pip where it is not. What is installed is pinned by hash in requirements/.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
DEMO ?= towns
DEMO_DIR ?= demo
TESTS ?= tests
JOBS ?= 2

.PHONY: help install demo test test-real lint bench reference lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "datactl needs Python 3.11 or later; none was found on PATH" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# $(call install,requirements file): exactly what the file pins, bytecode compiled, then datactl itself in place.
define install
	$(if $(UV),$(UV) pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r $(1),$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1))
	$(if $(UV),$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .,$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .)
	@$(BIN)/python -m compileall -q datactl
	@touch $@
endef

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(call install,$<)

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(call install,$<)
	@touch $(VENV)/.run

install: $(VENV)/.dev ## a .venv with datactl and all its extras

demo: $(VENV)/.run ## the life of real documents, told in two minutes (DEMO=all: all 234,908 places)
	@$(BIN)/datactl demo --dir $(DEMO_DIR) $(if $(filter all,$(DEMO)),--all)

test: $(VENV)/.dev ## the test suite, on the embedded engine
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup -m "not real" $(TESTS)

test-real: $(VENV)/.dev ## crash, fault, race and interoperability tests on real parts, which tools/ installs
	tools/install-debian-parts
	tools/install-node-parts
	tools/install-secantusd-rs
	DATACTL_TEST_ENGINE=rs $(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup -m "real" -s $(TESTS)

lint: $(VENV)/.dev ## ruff, mypy --strict and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## ratios against bare drivers, each measured in one run; prints a table
	tools/install-secantusd-rs
	$(BIN)/python -m benchmarks

reference: $(VENV)/.dev ## write what is made from tables: reference pages, manuals, completions, schema
	$(BIN)/python -m datactl.reference

lock: ## pin the newest versions that pyproject.toml allows (needs uv)
	tools/lock

clean: ## everything that was made here but the demo's vault and data
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
