"""tgtd.scsi.spc.controller: what answers at LUN 0 when no device does."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import TUR, Bench, pointer_of, sense_of
from tgtd.scsi.spc.controller import Controller


def test_it_is_ready_and_says_what_it_is() -> None:
    bench = Bench()
    assert isinstance(bench.itl(0).lu, Controller)
    bench.good(TUR)
    assert bench.good(bytes.fromhex("120000006000"))[0] == 0x0C


def test_it_has_no_mode_pages_and_no_blocks() -> None:
    bench = Bench()
    for opcode in (0x1A, 0x5A, 0x15, 0x55, 0x28, 0x25):
        assert bench.refused(bytes((opcode,))) == (5, 0x20, 0)


def test_no_initiator_can_lock_the_others_out() -> None:
    """Discovery begins here: an ACA that nobody could clear would end it for all."""
    bench = Bench()
    assert bench.refused(bytes.fromhex("28000000000000000004")) == (5, 0x20, 0)
    other = bench.connect("other")
    for nexus in (bench.nexus, other):
        assert bench.run(bytes.fromhex("a00000000000000000400000"), nexus=nexus).status == 0
        assert not bench.good(bytes.fromhex("120000006000"), nexus=nexus)[3] & 0x20


@pytest.mark.parametrize("lun", [0, 5])
@pytest.mark.parametrize("cdb", ["120000006004", "a00000000000000000400004"])
def test_naca_is_refused_where_it_is_not_heeded(lun: int, cdb: str) -> None:
    """NORMACA is zero, so the bit is an invalid field, and the usage masks in the reports say so."""
    bench = Bench()
    task = bench.run(bytes.fromhex(cdb), lun=lun)
    assert sense_of(task) == (5, 0x24, 0)
    assert pointer_of(task) == (True, len(bytes.fromhex(cdb)) - 1, 2)
    assert all(not row.usage[-1] & 4 for row in bench.itl(lun).lu.rows)
