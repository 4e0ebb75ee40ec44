"""Media that are opened and put away in workers."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inside import Inside, inside
from tgtd.media import MediumError
from tgtd.media.file import FileMedium
from tgtd.media.options import OpenOptions
from tgtd.opening import Opening, put_away, reason
from tgtd.scsi.medium import BlockMedium

MIB = 1 << 20


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        yield it


def test_an_abandoned_opening_closes_what_it_brings(site: Inside) -> None:
    gate = threading.Event()
    brought: list[Any] = []

    def slow(path: str | None, options: OpenOptions) -> BlockMedium:
        gate.wait(20)
        medium = FileMedium.open(path, options)
        brought.append(medium)
        return medium

    site.write(site.lun(1))
    wish = site.loader.load().targets
    site.openers["file"] = slow
    opening = Opening(site.tree.shop, next(iter(wish.values())).luns[1], b"\x60" * 16)
    opening.then(lambda: brought.append("told"))
    site.loop.turn(0.02)
    opening.abandon()
    gate.set()
    site.turn_until(lambda: bool(brought) and brought[0]._fd == -1)
    assert len(brought) == 1


def test_a_failing_flush_is_logged_and_the_medium_closed(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    path = site.media / "x"
    medium: Any = FileMedium.open(str(path), OpenOptions(size=MIB, create=True))

    def fail() -> None:
        raise OSError(errno.EIO, "the disk is broken")

    medium.flush = fail
    done: list[None] = []
    put_away(site.tree.shop.workers, medium, lambda: done.append(None))
    site.turn_until(lambda: bool(done))
    assert medium._fd == -1
    assert "the disk is broken" in caplog.text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.EIO, "Input/output error", "/x"), "/x: Input/output error"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (MediumError(errno.ENOENT, "/x does not exist", "create it"), "/x does not exist; create it"),
        (ValueError("odd"), "odd"),
        (KeyError(), "KeyError"),
    ],
)
def test_reasons(error: BaseException, text: str) -> None:
    assert reason(error) == text
