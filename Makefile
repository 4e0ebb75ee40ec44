# make setup | demo | demo-library | test | check | guest | bench | bench-gate | bench-fabric | soak | man | install DESTDIR=... | clean

PYTHON := /usr/bin/python3
PREFIX := /usr
DESTDIR :=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# systemd-python exists as source only: hence the compiler.
BUILD_PACKAGES := gcc libc6-dev libsystemd-dev pkg-config python3 python3-dev python3-venv
CHECK_PACKAGES := mandoc systemd
DEMO_PACKAGES := e2fsprogs libiscsi-bin qemu-block-extra qemu-utils
LIBRARY_PACKAGES := lsscsi mt-st mtx open-iscsi
BENCH_PACKAGES := $(DEMO_PACKAGES) tgt
TEST_PACKAGES := $(CHECK_PACKAGES) $(DEMO_PACKAGES) sdparm tgt tshark
# What boots the guest, and what runs in it.
GUEST_PACKAGES := busybox-static cpio kmod qemu-system-x86 \
  e2fsprogs fio iproute2 lsscsi mt-st mtx multipath-tools open-iscsi sg3-utils stenc udev \
  bacula-console bacula-director bacula-director-sqlite3 bacula-fd bacula-sd msmtp-mta sqlite3
GUEST := build/guest

# Tests run side by side, a file's tests one after the other in one process, which has a guest of its own.
WORKERS := 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

MAN_PAGES := man/tgtd.8 man/tgtctl.1 man/tgtd.toml.5 man/tgtd-targets.5 man/tgtd-tape.5
PYTHON_FILES := tgtd tests bench man

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help
help:
	@sed -n '1s/^# //p' Makefile

.PHONY: setup
setup: system-packages $(STAMP)

.PHONY: system-packages
system-packages:
	@tools/system-packages $(BUILD_PACKAGES)

# Made anew when the dependencies may have changed; otherwise no network is asked.
$(STAMP): pyproject.toml | system-packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is too old; Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[dev]'
	@touch $@

.PHONY: demo
demo: setup
	@tools/system-packages $(DEMO_PACKAGES)
	@$(BIN)/python -m tgtd.demo demo
	@exec $(BIN)/tgtd --config demo/etc --state demo/state --run demo/run

# A tape library, with its cartridges, and how to log in to it.
.PHONY: demo-library
demo-library: setup
	@tools/system-packages $(LIBRARY_PACKAGES)
	@$(BIN)/python -m tgtd.demo demo-library library
	@exec $(BIN)/tgtd --config demo-library/etc --state demo-library/state --run demo-library/run

.PHONY: test
test: setup
	@tools/system-packages $(TEST_PACKAGES) $(GUEST_PACKAGES)
	@tools/guest-kernel $(GUEST)
	$(PYTEST)

.PHONY: check
check: setup
	@tools/system-packages $(CHECK_PACKAGES)
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/mypy --strict
	$(PYTEST) -m 'not slow and not wire and not guest'

# A shell in a virtual machine with a Linux initiator, logged in to the demo's disk.
.PHONY: guest
guest: setup
	@tools/system-packages $(GUEST_PACKAGES)
	@tools/guest-kernel $(GUEST)
	@$(BIN)/python -m tests.guest.shell

.PHONY: bench
bench: setup
	@tools/system-packages $(BENCH_PACKAGES)
	$(BIN)/python -m bench $(BENCH)

# Counts what our code does for a command, and compares it with a budget; no clock is looked at.
.PHONY: bench-gate
bench-gate: setup
	$(BIN)/python -m bench.gate

# A disk on a fabric of the kernel, beside tcmu-runner and the kernel's own, in the guest.
.PHONY: bench-fabric
bench-fabric: setup
	@tools/system-packages $(GUEST_PACKAGES) dbus-daemon qemu-utils tcmu-runner
	@tools/guest-kernel $(GUEST)
	$(BIN)/python -m bench.fabric $(BENCH)

# An hour of everything at once, or make soak SOAK="--seconds 120": does anything go wrong, does anything grow?
.PHONY: soak
soak: setup
	@tools/system-packages $(DEMO_PACKAGES)
	$(BIN)/python -m bench.soak $(SOAK)

# The tables of keys and commands in the pages come from the schemas and the command rows.
.PHONY: man
man: setup
	@tools/system-packages mandoc
	$(BIN)/python man/generate.py
	mandoc -T lint -W warning $(MAN_PAGES)

# For packagers, beside the wheel: units, users, manual, examples, schemas.
.PHONY: install
install:
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	install -m 644 systemd/tgtd.service systemd/tgtd.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/
	install -m 644 systemd/sysusers.d/tgtd.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/tgtd.conf
	install -m 644 systemd/tmpfiles.d/tgtd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/tgtd.conf
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 $(filter %.1,$(MAN_PAGES)) $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 $(filter %.5,$(MAN_PAGES)) $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 $(filter %.8,$(MAN_PAGES)) $(DESTDIR)$(PREFIX)/share/man/man8/
	install -d $(DESTDIR)$(PREFIX)/share/tgtd/schema $(DESTDIR)$(PREFIX)/share/doc/tgtd/examples
	install -m 644 tgtd/config/schema/*.json $(DESTDIR)$(PREFIX)/share/tgtd/schema/
	install -m 644 README.md CHANGELOG.md $(DESTDIR)$(PREFIX)/share/doc/tgtd/
	cp -RL --no-preserve=mode,ownership etc/. $(DESTDIR)$(PREFIX)/share/doc/tgtd/examples
	install -d $(DESTDIR)$(PREFIX)/share/doc/tgtd/examples/systemd/tgtd.service.d
	install -m 644 systemd/tgtd.service.d/*.conf $(DESTDIR)$(PREFIX)/share/doc/tgtd/examples/systemd/tgtd.service.d/

.PHONY: clean
clean:
	rm -rf $(VENV) build dist tgtd.egg-info demo demo-library .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(PYTHON_FILES) -name __pycache__ -type d -prune -exec rm -rf {} +
