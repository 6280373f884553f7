BIN ?= .venv/bin

.PHONY: all setup check test ray

all: check test

setup:
	python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'

check:
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

test:
	$(BIN)/python -m pytest

# Ray brings 120 MB of wheels, so that it is no part of `setup`: its tests are skipped without it.
ray:
	$(BIN)/pip install -e '.[ray]'
	$(BIN)/python -m pytest tests/test_ray_crew.py
	$(BIN)/python -m pytest tests/test_ray_serve.py
