"""tgtd.scsi.copy.vital: page 8Fh says what the rows say."""

from __future__ import annotations

import struct

from tests.scsi.copy.copying import Pair
from tgtd.scsi.spc.opcodes import rows_of


def descriptors(page: bytes) -> dict[int, bytes]:
    found, at = {}, 4
    while at < len(page):
        kind, length = struct.unpack_from(">HH", page, at)
        assert length % 4 == 0
        found[kind] = page[at + 4 : at + 4 + length]
        at += 4 + length
    assert at == len(page)
    return found


def test_page() -> None:
    bench = Pair()
    page = bench.good(bytes((0x12, 1, 0x8F, 4, 0, 0)))
    assert int.from_bytes(page[2:4], "big") == len(page) - 4
    found = descriptors(page)
    told = found[1][1 : 1 + found[1][0]]
    actions = {}
    while told:
        actions[told[0]] = set(told[2 : 2 + told[1]])
        told = told[2 + told[1] :]
    rows = list(rows_of(bench.first))
    for opcode in (0x83, 0x84):
        assert actions[opcode] == {row.action for row in rows if row.opcode == opcode}
    assert found[8][:3] == b"\x02\x02\xe4"
    assert found[0x0C][:4] == b"\x00\x02\xff\xff"
    assert struct.unpack(">HHI", found[4][4:12]) == (64, 64, 8192)


def test_3pc() -> None:
    assert Pair().good(bytes((0x12, 0, 0, 0, 96, 0)))[5] & 0x08
