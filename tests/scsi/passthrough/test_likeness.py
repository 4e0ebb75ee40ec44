"""tgtd.scsi.passthrough.likeness: only what is not true here is changed."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.passthrough.stand_in import PassBench
from tgtd.scsi.passthrough import likeness
from tgtd.scsi.passthrough.exchange import Portrait

DISK = Portrait(bytes(36), {}, 4096, 10)


def test_standard_data() -> None:
    shown = likeness.standard(0, b"\xff" * 36)
    assert [at for at in range(36) if shown[at] != 0xFF] == [3, 5]
    assert (shown[3], shown[5]) == (0xDF, 0xC7)
    assert likeness.standard(0, bytes(36)) == bytes(7) + b"\2" + bytes(28)
    assert likeness.standard(0, b"\0\0\0\x20") == bytes(4)


def shown(data: bytes, most: int = 1 << 20, portrait: Portrait = DISK) -> bytes:
    bench = PassBench()
    return likeness.page(data, bench.unit, bench.itl(), portrait, most)


@pytest.mark.parametrize("data", [b"", b"\0\x83\0", b"\0\x83\0\x05abcd", b"\0\xb0\0\x04\0\0\0\0", b"\0\xb1\0\x02ab"])
def test_what_is_cut_short_or_of_no_interest_stays(data: bytes) -> None:
    assert shown(data) == data


def test_designators_of_ports_are_ours() -> None:
    unit, port, target = b"\1\3\0\x08" + bytes(8), b"\x61\x93\0\x08" + bytes(8), b"\x61\xa3\0\x08" + bytes(8)
    body = port + unit + target
    found = list(likeness.designators(shown(b"\0\x83" + struct.pack(">H", len(body)) + body)[4:]))
    assert found[0] == unit
    assert port not in found
    assert target not in found
    assert {each[1] & 0x30 for each in found[1:]} == {0x10, 0x20}


@pytest.mark.parametrize(("most", "best", "told"), [(0, 0, (256, 0)), (1000, 300, (256, 256)), (100, 8, (100, 8))])
def test_block_limits(most: int, best: int, told: tuple[int, int]) -> None:
    body = struct.pack(">II", 7, 0)[:4] + struct.pack(">II", most, best) + b"rest"
    page = shown(b"\0\xb0" + struct.pack(">H", len(body)) + body)
    assert struct.unpack_from(">II", page, 8) == told
    assert (page[4:8], page[16:]) == (body[:4], b"rest")
    assert shown(b"\0\xb0" + struct.pack(">H", len(body)) + body, portrait=Portrait(bytes(36)))[4:] == body
