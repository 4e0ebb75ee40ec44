"""Buffers are used again and again: what one initiator wrote never reaches another by way of them."""

from __future__ import annotations

import pytest

from tests.initiator import Initiator, inquiry, read10, write10
from tests.net.iscsi.conftest import Stage

MARK = b"SECRETOF"
UNTOUCHED = 16384


def leave_marks(initiator: Initiator) -> None:
    """Every size of buffer has held the mark, and the medium has been cleaned of it."""
    initiator.read(bytes(6), 0, lun=1)
    for blocks in (1, 8, 16, 64, 256, 512, 2048):
        data = MARK * (blocks * 64)
        for _ in range(4):
            assert initiator.write(write10(0, blocks), data, lun=1).status == 0
    assert initiator.write(write10(0, 2048), bytes(2048 * 512), lun=1).status == 0


@pytest.mark.parametrize("digest", ["None", "CRC32C"])
def test_nothing_is_left_over(stage: Stage, digest: str) -> None:
    keys = {"HeaderDigest": digest, "DataDigest": digest}
    with stage.login(isid=1, keys=keys) as one, stage.login(isid=2, keys=keys) as other:
        leave_marks(one)
        other.read(bytes(6), 0, lun=1)
        for blocks in (1, 3, 8, 9, 31, 64, 100, 256, 700, 2048):
            result = other.read(read10(UNTOUCHED, blocks), blocks * 512, lun=1)
            assert (result.status, result.data) == (0, bytes(blocks * 512))
        commands = [
            *(
                inquiry(length, page)
                for length in (5, 36, 96, 255, 65535)
                for page in (None, 0, 0x80, 0x83, 0xB0, 0xB2)
            ),
            *(bytes((0x1A, 0, 0x3F, sub, length, 0)) for sub in (0, 0xFF) for length in (4, 100, 255)),
            *(bytes((0xA0, 0, kind)) + bytes(3) + (8192).to_bytes(4, "big") + bytes(2) for kind in (0, 1, 2)),
            bytes((0xA3, 0x0C)) + bytes(4) + (60000).to_bytes(4, "big") + bytes(2),
            bytes((0x9E, 0x10)) + bytes(8) + (512).to_bytes(4, "big") + bytes(2),
            bytes((0x9E, 0x12)) + bytes(8) + (4096).to_bytes(4, "big") + bytes(2),
            bytes((0x03, 0, 0, 0, 252, 0)),
            read10(0xFFFFFF00, 8),
        ]
        for cdb in commands:
            for expected in (0, 7, 512, 70000):
                result = other.read(cdb, expected, lun=1)
                assert MARK not in result.data
                assert MARK not in result.sense
                assert len(result.data) <= expected
