"""What all tests share."""

from __future__ import annotations

import compileall
import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("tgtd", deadline=None)  # a slow machine is no failure
settings.load_profile("tgtd")

_HERE = Path(__file__).parent
_LONG = ("guest/test_systemd.py", "guest", "wire", "conformance")


def pytest_configure(config: pytest.Config) -> None:
    """So that not each daemon that a test starts, here or in a guest, has to translate the sources itself."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(_HERE.parent / "tgtd", quiet=2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the files, what takes long comes first: then they end at about the same time."""
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, part in enumerate(_LONG) if item.path.is_relative_to(_HERE / part)), len(_LONG))


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """A test that has the log set up, as the daemon does, leaves it to the next one as it was: not on a stream that
    pytest has closed, and heard by pytest."""
    logger = logging.getLogger("tgtd")
    before = logger.level, logger.handlers[:], logger.propagate
    yield
    logger.setLevel(before[0])
    logger.handlers[:], logger.propagate = before[1:]


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI a test that does not run is a failure: a missing tool must not look like a pass."""
    if report.skipped and not hasattr(report, "wasxfail") and _in_ci():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    outcome = yield
    _fail_if_skipped(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, None]:
    outcome = yield
    _fail_if_skipped(outcome.get_result())
