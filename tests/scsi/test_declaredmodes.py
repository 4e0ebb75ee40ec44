"""Mode pages that the administrator declares."""

from __future__ import annotations

from typing import Any

from tests.scsi.test_mode import Volatile, change, restarted, sense6, values
from tests.scsi.workbench import TUR, Bench
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.sense import MODE_PARAMETERS_CHANGED

CONTROL = bytes.fromhex("04 10 00 40 00 00 00 00 00 00")  # D_SENSE, TAS
OTHER = (0x03, 0, bytes(range(22)))
SUBPAGE = (0x21, 0x05, b"vendor")


def make(*pages: tuple[int, int, bytes]) -> Bench:
    bench = Bench()
    bench.disk(Volatile(1 << 20), mode_pages=pages)
    bench.ready()
    return bench


def adopt(bench: Bench, *pages: tuple[int, int, bytes]) -> None:
    disk: Any = bench.itl().lu
    disk.change(DiskSettings(mode_pages=pages), disk.identity)


def test_defaults_of_what_can_be_changed() -> None:
    bench = make((0x0A, 0, CONTROL))
    assert values(bench, 0x0A, 5) == [0x40] * 4
    assert values(bench, 0x0A, 2) == [0x04, 0xE4, 0x04, 0x04]
    assert bench.run(b"\x02").sense[0] == 0x72
    change(bench, 0x0A, 5, 0x40)
    assert values(bench, 0x0A, 5) == [0, 0x40, 0x40, 0x40]
    bench.good(bytes((0x15, 0x02, 0, 0, 0, 0)))
    assert values(bench, 0x0A, 5) == [0x40] * 4


def test_what_the_disk_does_is_not_declared_away() -> None:
    bench = make((0x0A, 0, bytes(10)), (0x1C, 0, bytes(10)))
    assert values(bench, 0x0A, 3)[0] >> 4 == 1
    assert values(bench, 0x1C, 2)[0] == 0x08


def test_pages_that_the_disk_does_not_have() -> None:
    bench = make(SUBPAGE, OTHER)
    for control in (0, 2, 3):
        assert bench.good(sense6(0x03, control=control))[4:] == b"\x03\x16" + OTHER[2]
        assert bench.good(sense6(0x21, 5, control=control))[4:] == b"\x61\x05\x00\x06vendor"
    assert bench.good(sense6(0x03, control=1))[4:] == b"\x03\x16" + bytes(22)
    codes, data = [], bench.good(sense6(0x3F, 0xFF))[4:]
    while data:
        codes.append(data[0] & 0x3F)
        data = data[4 + int.from_bytes(data[2:4], "big") :] if data[0] & 0x40 else data[2 + data[1] :]
    assert codes == sorted(codes)
    assert {0x03, 0x21} <= set(codes)


def test_an_edit_while_initiators_look_on() -> None:
    bench = make()
    adopt(bench, (0x0A, 0, CONTROL), OTHER)
    assert bench.itl().attentions == [MODE_PARAMETERS_CHANGED]
    bench.ready()
    assert values(bench, 0x0A, 5) == [0x40] * 4
    adopt(bench)
    bench.ready()
    assert values(bench, 0x0A, 5) == [0, 0x40, 0, 0]
    assert bench.refused(sense6(0x03))[0] == 5
    adopt(bench)
    bench.good(TUR)


def test_an_edit_that_changes_a_default_is_the_later_word() -> None:
    bench = make()
    change(bench, 0x0A, 5, 0x40, flags=0x11)
    again = restarted(bench, mode_pages=((0x0A, 0, CONTROL),))
    change(again, 0x0A, 5, 0x40, flags=0x11)
    assert values(again, 0x0A, 5) == [0, 0x40, 0x40, 0]
    adopt(again)
    again.ready()
    assert values(again, 0x0A, 5) == [0, 0x40, 0, 0]
