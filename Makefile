# What one does here. Everything lives in .venv, which is made once and only again when pyproject.toml changes,
# so a second run needs no network.

VENV ?= .venv
BIN := $(VENV)/bin
DATA := $(or $(OKR_DATA_DIR),var)
SUM := $(shell cksum < pyproject.toml | cut -d' ' -f1)
RUNTIME := $(VENV)/.runtime-$(SUM)
DEVELOPMENT := $(VENV)/.development-$(SUM)

.DEFAULT_GOAL := help
.PHONY: help run test check format docs bench migrate clean-data clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

run: $(RUNTIME) ## Start everything on this machine, with a demonstration (Ctrl-C ends it)
	@exec $(BIN)/okr up

test: $(DEVELOPMENT) ## Run the tests
	$(BIN)/python -m pytest

check: $(DEVELOPMENT) ## Check format, style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(DEVELOPMENT) ## Put the code in the project's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(RUNTIME) ## Make docs/settings.md and docs/commands.md from the program
	$(BIN)/python -m cli.reference

bench: $(DEVELOPMENT) ## Measure
	$(BIN)/python -m benchmarks

migrate: $(RUNTIME) ## Bring the database that OKR_DATABASE_URL names to this program's schema
	$(BIN)/okr migrate

clean-data: ## Throw away the trial's data (the database, the token, the logs)
	@if [ -e "$(DATA)/run/up.pid" ] && kill -0 "$$(cat "$(DATA)/run/up.pid")" 2>/dev/null; then \
	  echo "okr up is running on it (process $$(cat "$(DATA)/run/up.pid")): stop it first." >&2; exit 1; fi
	rm -rf "$(DATA)"

clean: ## Throw away the environment and what tools left behind
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Python 3.11 or newer, under whichever name it has here.
$(BIN)/python:
	@if ! [ -w . ]; then echo "cannot write to $(CURDIR): make needs to put the environment, $(VENV), there." >&2; exit 1; fi
	@for python in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $$python -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "$$python cannot make an environment: install its venv module (Debian: apt install python3-venv)." >&2; \
	    exit 1; \
	  fi; \
	done; \
	echo "Python 3.11 or newer is needed: install it, or name one: make PYTHON=/path/to/python3.12 run" >&2; exit 1

$(RUNTIME): | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[trial]'
	@rm -f $(VENV)/.runtime-* && touch $@

$(DEVELOPMENT): | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@rm -f $(VENV)/.runtime-* $(VENV)/.development-* && touch $@ $(RUNTIME)
