"""tgtd.scsi.inquiry: standard data and VPD pages."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.workbench import IDENTITY, NAME, TUR, Bench, pointer_of
from tgtd.scsi.access import PortGroup
from tgtd.scsi.lun import Identity
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.sense import INQUIRY_DATA_CHANGED
from tgtd.scsi.spc.unit import PrimaryUnit


def inquiry(page: int | None = None, length: int = 0xFFFF) -> bytes:
    return struct.pack(">BBBHB", 0x12, page is not None, page or 0, length, 0)


def designators(page: bytes) -> list[tuple[int, int, int, bytes]]:
    """(association, type, code set, value) of each."""
    found = []
    at = 4
    while at < len(page):
        first, second, length = page[at], page[at + 1], page[at + 3]
        found.append((second >> 4 & 3, second & 0xF, first & 0xF, page[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


def test_standard_data() -> None:
    bench = Bench()
    bench.disk()
    data = bench.good(inquiry())
    assert len(data) == 96
    assert data[4] == 91
    assert data[:4].hex() == "00000732"
    assert data[7] == 0x02, "CMDQUE"
    assert data[8:36] == b"TGTD    DISK            0001"
    assert struct.unpack_from(">8H", data, 58) == (0x00A0, 0x0960, 0x05C0, 0x0460, 0x0600, 0x04C0, 0, 0)


def test_removable() -> None:
    bench = Bench()
    bench.disk(removable=True)
    assert bench.good(inquiry())[1] == 0x80


def test_a_transport_that_names_no_protocol() -> None:
    bench = Bench()
    bench.disk()
    bench.nexus.transport_id = b""
    assert struct.unpack_from(">6H", bench.good(inquiry()), 58) == (0x00A0, 0x05C0, 0x0460, 0x0600, 0x04C0, 0)
    assert [d[:2] for d in designators(bench.good(inquiry(0x83)))] == [(0, 1), (0, 3), (1, 4)]


@pytest.mark.parametrize("length", [0, 1, 5, 36, 95, 96, 97])
def test_allocation_length_cuts_and_changes_nothing_else(length: int) -> None:
    bench = Bench()
    bench.disk()
    assert bench.good(inquiry(length=length)) == bench.good(inquiry())[:length]


def test_page_code_without_evpd() -> None:
    bench = Bench()
    bench.disk()
    assert pointer_of(bench.run(bytes((0x12, 0, 0x80, 0, 255, 0)))) == (True, 2, 7)


def test_page_that_is_not_there() -> None:
    bench = Bench()
    bench.disk()
    assert pointer_of(bench.run(inquiry(0x84))) == (True, 2, 7)


@pytest.mark.parametrize(("number", "disk"), [(0, True), (0, False), (1, False)])
def test_every_page_is_listed_and_well_formed(number: int, disk: bool) -> None:
    bench = Bench()
    if disk:
        bench.disk()
    unit = bench.itl(number).lu
    assert isinstance(unit, PrimaryUnit)
    listed = bench.good(inquiry(0), lun=number)[4:]
    assert list(listed) == sorted(page.code for page in unit.vital_pages if page.offered(unit))
    for code in listed:
        page = bench.good(inquiry(code), lun=number)
        assert page[0] == unit.peripheral == bench.good(inquiry(), lun=number)[0]
        assert page[1] == code
        assert struct.unpack_from(">H", page, 2)[0] == len(page) - 4


def test_serial_and_identification() -> None:
    bench = Bench()
    bench.disk()
    assert bench.good(inquiry(0x80))[4:] == b"SN0001"
    found = designators(bench.good(inquiry(0x83)))
    assert found[0] == (0, 1, 2, b"TGTD    DISK            SN0001")
    assert found[1] == (0, 3, 1, IDENTITY.wwid)
    assert found[2] == (1, 4, 1, b"\0\0\0\1")
    assert [(d[0], d[3].rstrip(b"\0").decode()) for d in found[3:]] == [(1, f"{NAME},t,0x0001"), (2, NAME)]
    assert all(len(d[3]) % 4 == 0 and d[3][-1] == 0 for d in found[3:])


def test_text_that_is_no_ascii_is_kept_out() -> None:
    bench = Bench()
    disk = bench.disk()
    disk.identity = Identity("Größe", "ß" * 20, "1", "é", b"")
    data = bench.good(inquiry())
    assert data[8:36].isascii()
    assert bench.good(inquiry(0x80))[4:] == b"?"


def test_volatile_cache_is_told_when_there_is_one() -> None:
    bench = Bench()
    disk = bench.disk()
    assert bench.good(inquiry(0x86))[6] & 1 == 0
    disk.volatile_cache = True
    assert bench.good(inquiry(0x86))[6] & 1 == 1


def test_extended_data_says_what_is_so() -> None:
    bench = Bench()
    bench.disk()
    page = bench.good(inquiry(0x86))
    assert page[:10].hex() == "0086003c" + "00" + "07" + "08" + "01" + "08" + "00"
    assert page[10:] == bytes(54)


def test_mode_page_policy() -> None:
    """SPC-5 7.7.9: disconnect-reconnect is common to the port's units, the rest each unit's own."""
    bench = Bench()
    bench.disk()
    assert bench.good(inquiry(0x87)).hex() == "00870008" + "02008000" + "3fff0000"


def test_ports_of_the_device_and_the_group_of_this_one() -> None:
    bench = Bench()
    bench.disk()
    bench.target.regroup((PortGroup(1), PortGroup(0x0203)))
    far = bench.connect("b", 0x0203)
    bench.ready(nexus=far)
    page = bench.good(bytes((0x12, 1, 0x88, 1, 0, 0)), nexus=far)
    names = [NAME.encode() + suffix for suffix in (b",t,0x0001", b",t,0x0203")]
    length = (len(names[0]) + 4) // 4 * 4
    expected = b"".join(
        struct.pack(">xxHxxHxxHBBBB", number, 0, length + 4, 0x53, 0x98, 0, length) + name.ljust(length, b"\0")
        for number, name in zip((1, 0x0203), names, strict=True)
    )
    assert page == struct.pack(">BBH", 0, 0x88, len(expected)) + expected
    found = bench.good(bytes((0x12, 1, 0x83, 1, 0, 0)), nexus=far)
    assert bytes.fromhex("5194 0004 00000203") in found
    assert bytes.fromhex("5195 0004 00000203") in found
    assert names[0] not in found


def test_management_network_addresses_when_there_are_some() -> None:
    bench = Bench()
    disk = bench.disk(management=("https://a.example/", "x:1"))
    page = bench.good(inquiry(0x85))
    assert page[:4].hex() == "00850020"
    assert page[4:] == b"\0\0\0\x14https://a.example/\0\0" + b"\0\0\0\x04x:1\0"
    assert 0x85 in bench.good(inquiry(0))[4:]
    bench.ready()
    disk.change(DiskSettings(), disk.identity)
    assert bench.refused(TUR) == INQUIRY_DATA_CHANGED[:3]
    assert 0x85 not in bench.good(inquiry(0))[4:]
    assert bench.refused(inquiry(0x85))[0] == 5
