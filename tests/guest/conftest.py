"""Tests with Linux's own initiators, in a guest that is booted once for all of them.

How to write one: take `guest` and `site`, maybe `open_iscsi`; describe LUNs by `site.write(site.target(site.lun(0)))`,
start the daemon on the host with `site.start()`, log in with `open_iscsi.login(site.port)`, find the device with
`open_iscsi.device(0)`, and run things with `guest.run("mkfs.ext4 -q /dev/sda")`. Every file of this machine is there in
the guest, and whatever is written to it is lost with the guest.

What costs time there is processes that start: a small program takes some 20 ms of CPU, the daemon 5 s. So
wait by `guest.eventually`, prepare by `guest.once`, and have the daemon on the host unless it has to be in the guest.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest, missing
from tests.wire.conftest import Site

_HERE = Path(__file__).parent
_TAIL = 6000  # characters of the kernel's log that a failing test shows

_GUESTS: pytest.StashKey[dict[str, tuple[Guest, int]]] = pytest.StashKey()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.guest)


@pytest.fixture(scope="session")
def guest(pytestconfig: pytest.Config) -> Iterator[Guest]:
    """The guest, with nothing but an agent in it. One for all tests of a process: leave it as you found it."""
    with booted(pytestconfig, Guest("guest")) as machine:
        yield machine


@contextmanager
def booted(config: pytest.Config, machine: Guest) -> Iterator[Guest]:
    """Boots a guest whose console is shown with tests that fail; skips, with one line, where no guest can be had."""
    lack = missing()
    if lack is not None:
        pytest.skip(lack)
    guests = config.stash.setdefault(_GUESTS, {})
    with machine:
        guests[machine.console.stem] = (machine, 0)
        try:
            yield machine
        finally:
            del guests[machine.console.stem]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note where each console stands: what comes after belongs to this test."""
    guests = item.config.stash.setdefault(_GUESTS, {})
    for name, (machine, _) in list(guests.items()):
        guests[name] = (machine, machine.heard())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for name, (machine, since) in item.config.stash.get(_GUESTS, {}).items():
            report.sections.append((f"kernel log of {name}", machine.said(since)[-_TAIL:]))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A daemon on the host, not started yet."""
    site = Site(tmp_path)
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture
def open_iscsi(guest: Guest, site: Site) -> Iterator[OpenIscsi]:
    """The guest's iSCSI initiator; it is logged out before the daemon stops."""
    initiator = OpenIscsi(guest)
    try:
        yield initiator
    finally:
        initiator.clean()
