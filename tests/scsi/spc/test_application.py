"""tgtd.scsi.spc.application: 64 notes of 252 bytes, which outlive resets."""

from __future__ import annotations

from tests.scsi.test_log import APPLICATION, make, page, parameter, parsed, select, sense
from tgtd.scsi.spc.application import COUNT, LENGTH, NAME
from tgtd.scsi.target import TaskManagement, encode_lun


def test_all_notes_at_once() -> None:
    bench = make()
    assert parsed(bench.good(sense(APPLICATION))) == {code: bytes(LENGTH) for code in range(COUNT)}
    notes = {code: bytes((code + 1,)) * LENGTH for code in range(COUNT)}
    data = page(APPLICATION, *(parameter(code, note) for code, note in notes.items()))
    bench.good(select(len(data)), data)
    assert parsed(bench.good(sense(APPLICATION))) == notes
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    assert parsed(bench.good(sense(APPLICATION))) == notes


def test_a_reset_leaves_nothing_to_remember() -> None:
    bench = make()
    data = page(APPLICATION, parameter(5, b"\1" * LENGTH))
    bench.good(select(len(data)), data)
    assert bench.itl().lu.memory.recall(NAME) == bytes(5 * LENGTH) + b"\1" * LENGTH
    bench.good(select(0, page=APPLICATION, flags=2))
    assert bench.itl().lu.memory.recall(NAME) is None
