BIN ?= .venv/bin

.PHONY: all setup check test

all: check test

setup:
	python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'

check:
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

test:
	$(BIN)/python -m pytest
