# Two commands on a fresh machine with Python 3.11+ and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODE := src tests scripts examples benchmarks
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test slow format docs clean

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(STAMP) ## Shrink the digits classifier and say where the report is
	@$(BIN)/paredown run examples/digits.yaml; code=$$?; \
	test ! -f runs/digits/report.html || echo "report: $(CURDIR)/runs/digits/report.html"; exit $$code

test: $(STAMP) ## All checks and the default tests
	@scripts/check

slow: $(STAMP) ## The slow tests
	@scripts/check slow

format: $(STAMP) ## Put all files into the one format
	@$(BIN)/ruff format --quiet $(CODE)
	@$(BIN)/ruff check --fix --quiet $(CODE)

docs: $(STAMP) ## Write the generated pages again
	@$(BIN)/python scripts/docs.py

clean: ## Remove the environment and all caches; runs/ is kept
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Torch goes first and alone: with the pin the CPU build is taken, without it pip may choose gigabytes of CUDA.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "paredown needs Python 3.11 or newer; set PYTHON=python3.x"; exit 2; }
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing torch (the largest part)"
	@$(PIP) install -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	@echo "installing paredown and its tools"
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@
