# Two commands on a fresh machine: `make demo` and `make test`. Whatever needs .venv makes it.

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
READY := .venv/.ready

# Exact versions, for what is installed and (under both names, old pip's and new) for what builds it.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Pyright asks the network for a newer version otherwise.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# Each test worker computes on one thread.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS)

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-slow sanitize mutants check lint format dist

help:  ## what there is to make
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18

venv: $(READY)  ## .venv with everything: the package, its extras, the tools

# torch goes first and alone: asked by its exact version, pip takes the CPU build where the registry offers one.
$(READY): pyproject.toml constraints.txt CMakeLists.txt $(wildcard csrc/*)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --editable '.[dev]'
	touch $@

demo: $(READY)  ## train the date translator (goes on where runs/dates stands), then score it beside a rule-based parser
	$(BIN)/unspool train translate --out runs/dates $(if $(wildcard runs/dates/config.json),--resume)
	$(BIN)/unspool evaluate runs/dates
	$(BIN)/python benchmarks/dates.py runs/dates

test: $(READY)  ## the tests, but the slow ones
	$(PYTEST)

test-slow: $(READY)  ## the slow tests alone
	$(PYTEST) -m slow --timeout 3600

lint: $(READY)  ## ruff, pyright and the import contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

sanitize: $(READY)  ## the engine's tests under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer
	$(BIN)/python tests/sanitize/run.py

mutants: $(READY)  ## small mistakes in the engine, each of which a test must notice
	OMP_NUM_THREADS=1 $(BIN)/python tests/mutants/run.py

check: lint  ## lint, then the tests: what continuous integration runs
	$(PYTEST)

format: $(READY)  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

dist: $(READY)  ## the wheel and the source archive, into dist/
	$(BIN)/python -m build
