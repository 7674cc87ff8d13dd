# Everything runs from .venv, which `make venv` makes and every other target asks for.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help venv check test bench demo up soak stock clean

BIN := .venv/bin
SOAK_S ?= 600

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

venv: .venv/.installed ## the virtual environment, with Quorate in it (PYTHON=... chooses the interpreter)

.venv/.installed: pyproject.toml .ci/venv
	@PYTHON="$(PYTHON)" .ci/venv

check: venv ## style, types and layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

test: check ## check, then every test, the built wheel among them
	@$(BIN)/python -m pytest

bench: venv ## figures, beside the machine's own limits
	@$(BIN)/python -m bench

demo: venv ## thousands of orders, a killed leader, and books that balance
	@$(BIN)/python -m examples.orders

up: venv ## the three peers of cluster.example.yaml, here
	@$(BIN)/quorate up cluster.example.yaml

soak: venv ## new seeds for SOAK_S seconds (600), crash states, then every test with fresh random examples for as long
	@$(BIN)/quorate netsim soak --seconds $(SOAK_S)
	@end=$$(( $$(date +%s) + $(SOAK_S) )); \
	while [ "$$(date +%s)" -lt "$$end" ]; do $(BIN)/python -m pytest -x -q --hypothesis-profile=soak || exit 1; done

stock: venv ## the table: stock PySyncObj beside ours, on the same seeds of the simulator
	@$(BIN)/python -m tests.netsim.stock --seeds 100

clean: ## remove caches and built packages (.venv and data folders stay)
	@rm -rf build dist .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
