"""tgtd.scsi.sbc.logs: the counters are what happened."""

from __future__ import annotations

import struct

from tests.scsi.sbc.protection.cdbs import VERIFY_32, long
from tests.scsi.sbc.protection.test_transfers import make as make_protected
from tests.scsi.sbc.test_selftest import Scratched
from tests.scsi.test_log import page, parameter, parsed, select, sense
from tests.scsi.workbench import Bench, cdb10
from tgtd.scsi.sbc.disk import Disk


def make() -> tuple[Bench, Scratched, Disk]:
    bench = Bench()
    medium = Scratched(1 << 20)
    disk = bench.disk(medium)
    bench.ready()
    return bench, medium, disk


def counts(bench: Bench, code: int) -> dict[int, int]:
    return {number: int.from_bytes(value, "big") for number, value in parsed(bench.good(sense(code))).items()}


def test_bytes_and_errors_by_kind() -> None:
    bench, medium, _ = make()
    bench.good(cdb10(0x28, 0, 3))
    bench.good(cdb10(0x2A, 0, 2), bytes(1024))
    bench.good(cdb10(0x2F, 0, 4))
    assert counts(bench, 2) == {3: 0, 5: 1024, 6: 0}
    assert counts(bench, 3) == {3: 0, 5: 1536, 6: 0}
    assert counts(bench, 5) == {3: 0, 5: 2048, 6: 0}
    medium.scratches.add(0)
    bench.refused(cdb10(0x2F, 0, 1))
    assert counts(bench, 5)[6] == 1
    bench.good(bytes((0x3F, 0x40, 0, 0, 0, 8, 0, 0, 0, 0)))
    bench.refused(cdb10(0x28, 8, 1))
    bench.refused(cdb10(0x28, 1 << 30, 1))
    assert [counts(bench, code)[6] for code in (2, 3, 5, 6) if code != 6] == [0, 1, 1]
    assert counts(bench, 6) == {0: 0}


def test_statistics() -> None:
    bench, _, _ = make()
    bench.good(cdb10(0x28, 0, 3))
    for _ in range(2):
        bench.good(cdb10(0x2A, 0, 2), bytes(1024))
    unmap = struct.pack(">HHxxxxQIxxxx", 22, 16, 0, 8)
    bench.good(bytes((0x42, 0, 0, 0, 0, 0, 0, 0, len(unmap), 0)), unmap)
    found = parsed(bench.good(sense(0x19)))
    assert struct.unpack(">8Q", found[1]) == (1, 3, 4, 3, 0, 0, 0, 0), "UNMAP is a write"
    assert found[3] == bytes((0, 0, 0, 0, 0, 0, 0, 1))
    bench.good(select(0, page=0x19, flags=2))
    bench.good(cdb10(0x28, 0, 1))
    assert struct.unpack(">8Q", parsed(bench.good(sense(0x19)))[1]) == (1, 0, 0, 1, 0, 0, 0, 0)
    assert counts(bench, 3)[5] == 2048, "each page for itself"


def test_starts_and_stops() -> None:
    bench, _, _ = make()
    start, stop = bytes((0x1B, 0, 0, 0, 1, 0)), bytes((0x1B, 0, 0, 0, 0, 0))
    for cdb in (start, stop, stop, start, start, stop, bytes((0x1B, 0, 0, 0, 0x10, 0))):
        bench.good(cdb)
    assert parsed(bench.good(sense(0x0E))) == {2: b" " * 6, 4: bytes((0, 0, 0, 2))}
    data = page(0x0E, parameter(2, b"202652", 0x01))
    bench.good(select(len(data)), data)
    assert parsed(bench.good(sense(0x0E)))[2] == b"202652"
    bench.good(select(0, flags=2))
    assert parsed(bench.good(sense(0x0E))) == {2: b" " * 6, 4: bytes((0, 0, 0, 2))}


def test_what_never_happens() -> None:
    bench, _, _ = make()
    assert parsed(bench.good(sense(0x2F))) == {0: b"\0\0\xff\0"}
    assert parsed(bench.good(sense(0x15))) == {0: bytes(12)}


def test_the_32_byte_verify() -> None:
    bench = make_protected(2)
    bench.good(long(VERIFY_32, 4, 3, 1, reference=4))
    assert counts(bench, 5) == {3: 0, 5: 1536, 6: 0}
    bench.good(bytes((0x3F, 0x40, 0, 0, 0, 8, 0, 0, 0, 0)))
    assert bench.refused(long(VERIFY_32, 8, 1, 1, reference=8))[0] == 3
    assert counts(bench, 5)[6] == 1
    assert counts(bench, 3)[6] == 0
