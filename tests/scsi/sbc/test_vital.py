"""tgtd.scsi.sbc.vital: pages B0h, B1h, B2h say what the disk does. B7h: test_scattered.py."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.workbench import Bench, cdb16
from tgtd.media.null import NullMedium
from tgtd.media.ram import RamMedium


def page(bench: Bench, code: int) -> bytes:
    return bench.good(struct.pack(">BBBHB", 0x12, 1, code, 0xFFFF, 0))


@pytest.mark.parametrize("block", [512, 4096])
def test_block_limits(block: int) -> None:
    bench = Bench()
    bench.disk(RamMedium(256 << 20), block_size=block)
    bench.ready()
    data = page(bench, 0xB0)
    assert len(data) == 64
    assert data[4:6] == bytes((1, 128))
    granularity, most, optimal, fetch, unmap, descriptors, unmap_unit, alignment, same = struct.unpack_from(
        ">HIIIIIIIQ", data, 6
    )
    assert granularity == 4096 // block
    assert most * block == fetch * block == 32 << 20
    assert optimal <= most
    assert (unmap > 0, descriptors, unmap_unit * block, alignment) == (True, 256, 4096, 1 << 31)
    bench.good(cdb16(0x88, 0, most))
    assert bench.refused(cdb16(0x88, 0, most + 1)) == (5, 0x24, 0)
    bench.good(cdb16(0x93, 0, same), bytes(block))
    assert bench.refused(cdb16(0x93, 0, same + 1), bytes(block)) == (5, 0x24, 0)


def test_a_disk_that_does_not_unmap_has_no_unmap_limits() -> None:
    bench = Bench()
    bench.disk(NullMedium(1 << 20))
    assert page(bench, 0xB0)[20:36] == bytes(16)
    assert page(bench, 0xB2)[4:] == bytes(4)


def test_characteristics() -> None:
    bench = Bench()
    bench.disk(rotation_rate=7200)
    data = page(bench, 0xB1)
    assert len(data) == 64
    assert struct.unpack_from(">H", data, 4)[0] == 7200
    assert data[8:] == b"\x03" + bytes(55), "FUAB, VBULS; no zones"


def test_provisioning() -> None:
    bench = Bench()
    bench.disk()
    assert page(bench, 0xB2).hex() == "00b20004" + "00e40200"


@pytest.mark.parametrize("code", [0xB0, 0xB1, 0xB2])
def test_pages_answer_without_a_medium(code: int) -> None:
    bench = Bench()
    bench.disk().offline()
    assert page(bench, code)[1] == code
