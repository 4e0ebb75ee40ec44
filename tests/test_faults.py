"""A unit's filters, put in and taken out while commands run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inside import IQN, Inside, attached, inside
from tests.scsi.workbench import cdb10
from tgtd.control import Unanswerable
from tgtd.scsi.layer import bottom
from tgtd.scsi.task import SIMPLE, Task

WRITE, READ = cdb10(0x2A, 0, 1), cdb10(0x28, 0, 1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        yield it


class Client:
    def __init__(self, site: Inside) -> None:
        self.site = site
        self.itl = attached(site.nexus(), 1)
        self.done: list[Task] = []

    def start(self, cdb: bytes, data: bytes | None = None) -> Task:
        task = Task(self.itl, len(self.done), SIMPLE, cdb.ljust(16, b"\0"), 1 << 20, self.done.append, data)
        task.expected_out = len(data or b"")
        self.itl.lu.data_out_length(task)
        self.itl.execute(task)
        return task

    def run(self, cdb: bytes, data: bytes | None = None) -> tuple[int, bytes]:
        """Status, and data-in or key, code and qualifier."""
        while self.itl.attentions:
            self.itl.take_attention()
        task = self.start(cdb, data)
        self.site.turn_until(lambda: task in self.done)
        sense = bytes((task.sense[2], *task.sense[12:14])) if task.sense else b""
        return task.status, sense or bytes(task.data_in or b"")[:8]


def edit(site: Inside, filters: str) -> str:
    site.write(site.lun(1, medium=f", filters = [{filters}]" if filters else ""))
    return site.reload().result


def test_live(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    client, medium = Client(site), site.unit(1).device.medium
    assert client.run(WRITE, b"original" * 64)[0] == 0
    assert edit(site, '{ type = "failing", error = "ENOSPC", verbs = ["write"] }') == "applied"
    assert client.run(WRITE, bytes(512)) == (2, bytes((7, 0x27, 7)))
    assert client.run(READ) == (0, b"original")
    assert edit(site, '{ type = "failing", verbs = ["read"], lba = 0, blocks = 1 }') == "applied"
    assert client.run(READ) == (2, bytes((3, 0x11, 0)))
    assert client.run(cdb10(0x28, 1, 1))[0] == 0
    assert edit(site, '{ type = "readonly" }') == "applied"
    assert client.itl.attentions, "the initiator hears of the write protection"
    assert client.run(WRITE, bytes(512)) == (2, bytes((7, 0x27, 0)))
    assert edit(site, "") == "applied"
    assert client.run(WRITE, b"anew    " * 64)[0] == 0
    assert client.run(READ) == (0, b"anew    ")
    assert site.unit(1).device.medium is medium, "never closed, and nothing stands before it any more"
    assert edit(site, "") == "nothing"


def test_marks_of_bad_blocks_stay_on_top(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    client = Client(site)
    client.site.unit(1).device.flawed().mark(0, 1)
    edit(site, '{ type = "slow", delay = 0 }')
    assert client.run(READ) == (2, bytes((3, 0x11, 0x14)))
    edit(site, "")
    assert client.run(READ) == (2, bytes((3, 0x11, 0x14)))
    assert client.run(WRITE, bytes(512))[0] == 0
    assert client.run(READ)[0] == 0


def test_hang_and_release(site: Inside) -> None:
    site.write(site.lun(1, medium=', filters = [{ type = "stalled" }]'))
    site.start()
    client = Client(site)
    answers: list[object] = []
    site.estate.fault(IQN, 1, True, answers.append)
    assert site.unit(1).faults.hanging
    task = client.start(READ)
    site.loop.turn(0.05)
    assert not client.done
    site.estate.fault(IQN, 1, False, answers.append)
    site.turn_until(lambda: task in client.done)
    assert answers == [{"hanging": True}, {"hanging": False}]


@pytest.mark.parametrize("how", ["filter", "lun", "offline", "medium"])
def test_what_hangs_goes_on_when_the_filter_goes(site: Inside, how: str) -> None:
    site.write(site.lun(1, medium=', filters = [{ type = "stalled", hanging = true }]'))
    site.start()
    client = Client(site)
    task = client.start(READ)
    site.loop.turn(0.05)
    assert not client.done
    luns = {
        "filter": [site.lun(1)],
        "lun": [],
        "offline": [site.lun(1, more="online = false")],
        "medium": [site.lun(1, file="other.img")],
    }[how]
    site.write(*luns)
    assert site.reload().result == "applied"
    site.turn_until(lambda: task in client.done)


def test_a_size_that_changes_together_with_filters(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    site.write(site.lun(1, size="2 MiB", medium=', filters = [{ type = "readonly" }]'))
    assert site.reload().result == "applied"
    unit = site.unit(1)
    site.turn_until(lambda: unit.size == 2 << 20 and not unit.settling)
    assert unit.device.write_protected is not None
    assert bottom(unit.device.medium).writable  # type: ignore[arg-type]


def test_a_lun_that_cannot_hang(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    with pytest.raises(Unanswerable, match="has no filter that could hang"):
        site.estate.fault(IQN, 1, True, lambda _: None)
    with pytest.raises(Unanswerable, match="has no LUN 2"):
        site.estate.fault(IQN, 2, True, lambda _: None)
