# make setup | demo | test | check | bench | man | install DESTDIR=... | clean

PYTHON := /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# systemd-python exists as source only: hence the compiler.
BUILD_PACKAGES := gcc libc6-dev libsystemd-dev pkg-config python3 python3-dev python3-venv

.DELETE_ON_ERROR:
.PHONY: setup
setup: system-packages $(STAMP)

.PHONY: system-packages
system-packages:
	@tools/system-packages $(BUILD_PACKAGES)

# Made anew when the dependencies may have changed; otherwise no network is asked.
$(STAMP): pyproject.toml | system-packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is too old; Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[dev]'
	@touch $@
