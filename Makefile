# Every habit has one command; `make` lists them. CI runs the same ones (.ci/run).

VENV := .venv
BIN := $(VENV)/bin
# How many processes share the suite.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test test-long check format bench chaos clean install

help: ## Show the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: install ## Start a whole site on this machine: PORT=3000, TROVATO_VAR=var
	@$(BIN)/trovato run

test: install ## Run the tests: make test args="tests/kernel -k name"
	@$(BIN)/python -m pytest -n $(JOBS) $(args)

test-long: install ## Run the tests that make test leaves out: they build a dozen plugins
	@PYTHONASYNCIODEBUG=1 $(BIN)/python -m pytest -n $(JOBS) -m long $(args)

check: install ## Check format, lint, types and the house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/checks

format: install ## Bring the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install ## Measure this machine and print one table
	@$(BIN)/python -m tests.bench $(args)

chaos: install ## Two minutes of saves while everything around them dies (docs/chaos.md)
	@$(BIN)/python -m tests.chaos $(args)

clean: ## Remove all that these commands made: packages, caches, and the private servers WITH THEIR CONTENT
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m kernel.embedded "$${TROVATO_VAR:-var}" var/test; fi
	rm -rf $(VENV) var *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis plugins/*/*.wasm
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The packages of the lock, and the `trovato` command. Nothing is done while the lock stays as it is; a folder that was
# moved gets a new environment, since the old one holds its former name.
install:
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh .ci/install
