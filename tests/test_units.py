"""Logical units and their media: opening, waiting, going over to another, closing."""

from __future__ import annotations

import dataclasses
import errno
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inside import Inside, attached, inside
from tgtd.media.file import FileMedium
from tgtd.media.options import OpenOptions
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sense import CAPACITY_DATA_CHANGED, MODE_PARAMETERS_CHANGED
from tgtd.scsi.task import SIMPLE, Task
from tgtd.units import UnitState

MIB = 1 << 20


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        yield it


def gated(gate: threading.Event, verb: str) -> Any:
    """An opener of files of which one verb waits at the gate."""

    def opener(path: str | None, options: OpenOptions) -> BlockMedium:
        medium = FileMedium.open(path, options)
        real = getattr(medium, verb)

        def wait(*arguments: Any) -> Any:
            gate.wait(20)
            return real(*arguments)

        setattr(medium, verb, wait)
        if verb == "read":
            medium.read_now = lambda offset, into: False
        return medium

    return opener


def read_one(site: Inside, number: int, done: list[Task]) -> None:
    itl = attached(site.nexus(), number)
    cdb = bytes((0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0)).ljust(16, b"\0")
    itl.execute(Task(itl, 1, SIMPLE, cdb, 512, done.append))


def test_a_pending_unit_says_why_once(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    site.write(site.lun(1, None))
    site.start()
    unit = site.unit(1)
    for _ in range(3):
        unit.retry()
        site.turn_until(lambda: unit._opening is None)
    assert unit.state is UnitState.PENDING
    assert caplog.text.count("does not exist") == 1
    (site.media / "1.img").write_bytes(bytes(MIB))
    caplog.set_level(logging.INFO, "tgtd")
    unit.retry()
    site.turn_until(lambda: unit.state is UnitState.ONLINE)
    assert "LUN 1 is online" in caplog.text
    assert unit.cause is None


def test_a_medium_that_fails_is_told_of_once(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    def opener(path: str | None, options: OpenOptions) -> BlockMedium:
        medium = FileMedium.open(path, options)

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        medium.read = full  # type: ignore[method-assign]
        medium.read_now = lambda offset, into: False
        return medium

    site.write(site.lun(1))
    site.openers["file"] = opener
    site.start()
    unit = site.unit(1)
    unit.note_errors()
    assert unit.failing.count == 0
    done: list[Task] = []
    for _ in range(3):
        read_one(site, 1, done)
    site.turn_until(lambda: len(done) == 3)
    unit.note_errors()
    unit.note_errors()
    told = "LUN 1: 3 commands failed on its medium, the last with: No space left on device; make room"
    assert caplog.text.count(told) == 1
    assert (unit.failing.count, unit.failing.last) == (3, "No space left on device")
    assert abs(unit.failing.when - time.time()) < 60


def test_a_file_that_grows_is_noticed(site: Inside) -> None:
    (site.media / "1.img").write_bytes(bytes(MIB))
    site.write(site.lun(1, None))
    site.start()
    unit = site.unit(1)
    itl = attached(site.nexus(), 1)
    unit.probe()
    site.turn_until(lambda: not unit._probing)
    assert itl.attentions == []
    with (site.media / "1.img").open("r+b") as file:
        file.truncate(2 * MIB)
    unit.probe()
    site.turn_until(lambda: unit.size == 2 * MIB)
    site.turn_until(lambda: itl.attentions == [CAPACITY_DATA_CHANGED])


def test_a_file_that_shrinks_is_complained_about_and_its_size_kept(
    site: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    (site.media / "1.img").write_bytes(bytes(2 * MIB))
    site.write(site.lun(1, None))
    site.start()
    unit = site.unit(1)
    with (site.media / "1.img").open("r+b") as file:
        file.truncate(MIB)
    for _ in range(2):
        unit.probe()
        site.turn_until(lambda: not unit._probing)
    assert unit.size == 2 * MIB
    assert "shrank" in (unit.cause or "")
    assert caplog.text.count("shrank") == 1


def test_a_declared_size_is_not_probed(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    with (site.media / "1.img").open("r+b") as file:
        file.truncate(3 * MIB)
    site.unit(1).probe()
    assert not site.unit(1)._probing
    assert site.unit(1).size == MIB


def test_the_old_medium_is_closed_only_when_its_reader_is_through(site: Inside) -> None:
    gate = threading.Event()
    site.openers["file"] = gated(gate, "read")
    site.write(site.lun(1))
    site.start()
    old: Any = site.unit(1).device.medium
    done: list[Task] = []
    read_one(site, 1, done)
    site.loop.turn(0.05)
    site.write(site.lun(1, file="other.img"))
    try:
        assert site.reload().result == "applied"
        assert site.unit(1).device.medium is not old
        for _ in range(5):
            site.loop.turn(0.03)
        assert old._fd >= 0
        assert done == []
    finally:
        gate.set()
    site.turn_until(lambda: old._fd == -1)
    assert [task.status for task in done] == [0]


def test_a_removed_unit_waits_for_its_jobs_then_flushes_and_closes(site: Inside) -> None:
    gate = threading.Event()
    site.openers["file"] = gated(gate, "read")
    site.write(site.lun(1))
    site.start()
    medium: Any = site.unit(1).device.medium
    flushed: list[int] = []
    real = medium.flush
    medium.flush = lambda: (flushed.append(medium._fd), real())
    done: list[Task] = []
    read_one(site, 1, done)
    site.loop.turn(0.05)
    site.write(site.lun(2))
    try:
        site.reload()
        assert len(done) == 1  # aborted
        assert medium._fd >= 0
        assert flushed == []
    finally:
        gate.set()
    site.turn_until(lambda: medium._fd == -1)
    assert flushed[0] >= 0


@pytest.mark.parametrize(("verb", "size"), [("resize_probe", None), ("grow", "2 MiB")])
@pytest.mark.parametrize("removed", [True, False])
def test_a_medium_is_closed_only_after_its_probe(site: Inside, verb: str, size: str | None, removed: bool) -> None:
    """Otherwise it would look at, or lengthen, whatever file has the descriptor's number by then."""
    gate = threading.Event()
    site.openers["file"] = gated(gate, verb)
    (site.media / "1.img").write_bytes(bytes(MIB))
    site.write(site.lun(1, "1 MiB" if size else None))
    site.start()
    unit = site.unit(1)
    medium: Any = unit.device.medium
    if size is None:
        unit.probe()
    else:
        unit.resize(dataclasses.replace(unit.wish, medium=dataclasses.replace(unit.wish.medium, size=2 * MIB)))
    site.loop.turn(0.05)
    site.write(site.lun(2) if removed else site.lun(1, file="other.img"))
    try:
        assert site.reload().result == "applied"
        for _ in range(5):
            site.loop.turn(0.03)
        assert medium._fd >= 0
    finally:
        gate.set()
    site.turn_until(lambda: medium._fd == -1)


def test_a_unit_is_closed_when_every_medium_it_had_is(site: Inside) -> None:
    """Or else a daemon that stops would not wait for the flush of the one before."""
    gate = threading.Event()
    slow = gated(gate, "flush")

    def opener(path: str | None, options: OpenOptions) -> BlockMedium:
        opened: BlockMedium = (slow if str(path).endswith("1.img") else FileMedium.open)(path, options)
        return opened

    site.openers["file"] = opener
    site.write(site.lun(1))
    site.start()
    unit = site.unit(1)
    old: Any = unit.device.medium
    site.write(site.lun(1, file="other.img"))
    assert site.reload().result == "applied"
    new: Any = unit.device.medium
    closed: list[int] = []
    unit.close(lambda: closed.append(old._fd))
    try:
        site.turn_until(lambda: new._fd == -1)
        for _ in range(3):
            site.loop.turn(0.02)
        assert closed == []
    finally:
        gate.set()
    site.turn_until(lambda: closed == [-1])
    site.tree.targets.clear()


def test_a_medium_that_does_not_fit_leaves_the_unit_pending(site: Inside) -> None:
    def coarse(path: str | None, options: OpenOptions) -> BlockMedium:
        medium = FileMedium.open(path, options)
        medium.block_sizes = (4096,)
        return medium

    site.openers["file"] = coarse
    site.write(site.lun(1))
    site.start()
    assert site.unit(1).state is UnitState.PENDING
    assert "512" in (site.unit(1).cause or "")


def test_growing_beyond_what_is_possible_is_told(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    unit = site.unit(1)
    medium: Any = unit.device.medium

    def fail(size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    medium.grow = fail
    unit.resize(dataclasses.replace(unit.wish, medium=dataclasses.replace(unit.wish.medium, size=5 * MIB)))
    site.turn_until(lambda: unit.cause is not None)
    assert "No space left" in (unit.cause or "")
    assert (unit.state, unit.size) == (UnitState.ONLINE, MIB)
    del medium.grow  # there is room again
    unit.probe()
    site.turn_until(lambda: unit.size == 5 * MIB)
    assert unit.cause is None


def test_mode_pages_are_edited_while_the_unit_runs(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    itl = attached(site.nexus(), 1)
    while itl.attentions:
        itl.take_attention()
    page = '[[target.lun.mode_page]]\npage = 0x0A\nbytes = "00 10 00 40 00 00 00 00 00 00"'
    site.write(site.lun(1, more=page))
    site.reload()
    assert site.unit(1).device.report_aborts
    assert itl.attentions == [MODE_PARAMETERS_CHANGED]
    site.write(site.lun(1))
    site.reload()
    assert not site.unit(1).device.report_aborts
    assert site.unit(1).state is UnitState.ONLINE
