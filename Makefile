# What people do here. `make help` reads the comments behind `##`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo test lint check fix bench docs serve clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Tell the story on real data, in stemma-demo/: made anew, stays to explore
	@rm -rf stemma-demo
	@$(BIN)/stemma demo

test: $(VENV)/.dev ## Run every test; installs PostgreSQL where it is missing
	@tests/install_servers.sh
	@$(PYTEST) -q -m alone
	@$(PYTEST) -q -m "not alone" -n 2 --dist worksteal

lint: $(VENV)/.dev ## Check format, lint, types and the order of imports
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

check: lint ## Run lint and the fast tests, in under two minutes
	@tests/install_servers.sh
	@$(PYTEST) -q -m "not slow and not client and not alone" -n 2 --dist worksteal

fix: $(VENV)/.dev ## Format, and mend what can be mended without thought
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

bench: $(VENV)/.dev ## Measure beside the peers; docs/benchmarks.md keeps the last result
	@set -e; for script in bench/[a-z]*.py; do \
	  test -e "$$script" || { echo "There is no benchmark in bench/ yet."; exit 1; }; \
	  echo "== $$script"; $(BIN)/python "$$script"; done

docs: $(VENV)/.dev ## Check that the documentation is complete and its examples run
	@$(PYTEST) -q tests/docs

serve: $(VENV)/.serve ## Serve what 'make demo' made, or else the repository of this folder
	@if test -e .stemma -o ! -e stemma-demo/.stemma; then $(BIN)/stemma serve; \
	  else $(BIN)/stemma serve --repo stemma-demo; fi

clean: ## Remove the virtual environment and every cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

# Stamps say which dependencies are installed; they are renewed when pyproject.toml changes.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Stemma needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.python
	@echo "Installing Stemma and what its demonstration needs into $(VENV) ..."
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.serve: pyproject.toml | $(VENV)/.python
	@echo "Installing Stemma and what its server needs into $(VENV) ..."
	@$(PIP) --editable '.[server]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.python
	@echo "Installing Stemma and what its tests need into $(VENV) ..."
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo $(VENV)/.serve
