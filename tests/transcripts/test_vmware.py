"""What ESXi sends: a scan, a datastore made and locked, and the primitives of VAAI.

ESXi looks at residuals and at the INFORMATION field of a miscompare where others do not.
"""

from __future__ import annotations

import struct

import pytest

from tests.transcripts.stage import (
    CONFLICT,
    READ_CAPACITY_10,
    READ_CAPACITY_16,
    RELEASE_6,
    REPORT_LUNS,
    RESERVE_6,
    TEST_UNIT_READY,
    In,
    Out,
    Row,
    compare_and_write,
    lba_status,
    play,
    read16,
    standard,
    unmap,
    vital,
    write16,
    write_same,
)
from tests.wire.conftest import Site

pytestmark = pytest.mark.wire

MIB = 2048
"""Blocks."""
FREE, LOCKED, OTHER = bytes(512), b"esx1".ljust(512, b"\1"), b"esx2".ljust(512, b"\2")
ZEROS = bytes(512)


def mode_sense_6(page: int, subpage: int = 0, room: int = 255) -> In:
    return In(bytes((0x1A, 0, page, subpage, room, 0)), room)


def offset(page: bytes, at: int, size: int) -> int:
    return int.from_bytes(page[at : at + size], "big")


SCAN = (
    Row("esx1", "REPORT LUNS", REPORT_LUNS, struct.pack(">I4xQQ", 16, 0, 1 << 48)),
    Row("esx1", "INQUIRY, the first 36 bytes", standard(36), lambda d: len(d) == 36 and d[0] == 0 and d[7] & 2),
    Row("esx1", "INQUIRY, all of it", standard(255), lambda d: len(d) == d[4] + 5 == 96),
    Row("esx1", "which VPD pages", vital(0x00), lambda d: {0x80, 0x83, 0x86, 0xB0, 0xB1, 0xB2} <= set(d[4:])),
    Row("esx1", "serial number", vital(0x80), lambda d: d[1] == 0x80 and len(d) == d[3] + 4 > 4),
    Row("esx1", "designators: an NAA name", vital(0x83), lambda d: b"\x01\x03\x00\x10\x60" in d),
    Row("esx1", "extended INQUIRY", vital(0x86), lambda d: len(d) == 64 and offset(d, 2, 2) == 60),
    Row("esx1", "block limits: ATS, UNMAP, WRITE SAME", vital(0xB0), lambda d: d[5] >= 1 and offset(d, 20, 4) >= MIB),
    Row("esx1", "characteristics", vital(0xB1), lambda d: len(d) == 64),
    Row("esx1", "provisioning: LBPU, LBPRZ", vital(0xB2), lambda d: d[5] & 0x84 == 0x84),
    Row("esx1", "a page that is not there", vital(0xC0), (0x5, 0x24, 0x00)),
    Row("esx1", "READ CAPACITY(10)", READ_CAPACITY_10, struct.pack(">II", (64 << 20) // 512 - 1, 512)),
    Row("esx1", "READ CAPACITY(16): LBPME, LBPRZ", READ_CAPACITY_16, lambda d: len(d) == 32 and d[14] & 0xC0 == 0xC0),
    Row("esx1", "caching page: is writing allowed?", mode_sense_6(0x08), lambda d: not d[2] & 0x80),
    Row("esx1", "all pages", mode_sense_6(0x3F), lambda d: len(d) == d[0] + 1),
    Row("esx1", "ready?", TEST_UNIT_READY),
)

DATASTORE = (
    Row("esx1", "what is there", read16(0, 8), bytes(4096)),
    Row("esx1", "reserve it", RESERVE_6),
    Row("esx2", "may not write", write16(0, bytes(512)), CONFLICT),
    Row("esx2", "nor reserve", RESERVE_6, CONFLICT),
    Row("esx2", "nor read", read16(0, 1), CONFLICT),
    Row("esx2", "but ask who it is", standard(36), lambda d: len(d) == 36),
    Row("esx2", "its release releases nothing", RELEASE_6),
    Row("esx1", "writes a partition table", write16(0, b"\x55\xaa" * 256)),
    Row("esx1", "and metadata, a MiB of it", write16(MIB, b"vmfs" * (MIB * 128))),
    Row("esx1", "reads it back", read16(MIB, MIB), b"vmfs" * (MIB * 128)),
    Row("esx1", "release", RELEASE_6),
    Row("esx2", "reads it too", read16(0, 1), b"\x55\xaa" * 256),
    Row("esx2", "and reserves", RESERVE_6),
    Row("esx1", "is kept out", read16(0, 1), CONFLICT),
    Row("esx2", "until the release", RELEASE_6),
    Row("esx1", "and goes on", read16(0, 1), b"\x55\xaa" * 256),
)

ATS = (
    Row("esx1", "a lock that is free", compare_and_write(100, FREE, LOCKED)),
    Row("esx2", "is not free any more", compare_and_write(100, FREE, OTHER), (0xE, 0x1D, 0x00), information=0),
    Row("esx2", "and unharmed", read16(100, 1), LOCKED),
    Row("esx2", "it differs late", compare_and_write(100, LOCKED[:-1] + b"x", OTHER), (0xE, 0x1D, 0x00), 511),
    Row("esx1", "its own lock goes", compare_and_write(100, LOCKED, FREE)),
    Row("esx2", "and comes", compare_and_write(100, FREE, OTHER)),
    Row("esx1", "which shows", read16(100, 1), OTHER),
    Row("esx1", "beyond the end", compare_and_write(64 * MIB, FREE, OTHER), (0x5, 0x21, 0x00)),
    Row("esx1", "half of the data", Out(struct.pack(">BxQ3xBxx", 0x89, 100, 1), OTHER), (0x5, 0x24, 0x00)),
)

ZERO = (
    Row("esx1", "data", write16(4 * MIB, b"\x77" * (MIB * 512))),
    Row("esx1", "WRITE SAME: zeros", write_same(4 * MIB, MIB, ZEROS)),
    Row("esx1", "are there", read16(4 * MIB, MIB), bytes(MIB * 512)),
    Row("esx1", "keep their room, mapped or anchored", lba_status(4 * MIB), lambda d: d[20] & 0x0F in (0, 2)),
    Row("esx1", "WRITE SAME: a pattern", write_same(4 * MIB, 16, b"\x5a" * 512)),
    Row("esx1", "is there, and ends", read16(4 * MIB, 17), b"\x5a" * 8192 + bytes(512)),
    Row("esx1", "WRITE SAME of nothing", write_same(4 * MIB, 0, ZEROS), (0x5, 0x24, 0x00)),
    Row("esx1", "WRITE SAME past the end", write_same(64 * MIB - 1, 2, ZEROS), (0x5, 0x21, 0x00)),
)

RECLAIM = (
    Row("esx1", "data", write16(8 * MIB, b"\x33" * (2 * MIB * 512))),
    Row("esx1", "is mapped", lba_status(8 * MIB), lambda d: d[20] & 0x0F == 0),
    Row("esx1", "UNMAP two ranges", unmap((8 * MIB, MIB), (9 * MIB, MIB // 2))),
    Row("esx1", "is unmapped", lba_status(8 * MIB), lambda d: (d[20] & 0x0F, offset(d, 16, 4)) == (1, MIB * 3 // 2)),
    Row("esx1", "reads as zeros", read16(8 * MIB, MIB), bytes(MIB * 512)),
    Row("esx1", "the rest is there", read16(9 * MIB + MIB // 2, 8), b"\x33" * 4096),
    Row("esx1", "one range past the end", unmap((0, 8), (64 * MIB - 1, 2)), (0x5, 0x21, 0x00)),
    Row("esx1", "and nothing is lost", read16(0, 1), b"\x11" * 512),
    Row("esx1", "WRITE SAME with UNMAP", write_same(9 * MIB + MIB // 2, MIB // 2, ZEROS, unmaps=True)),
    Row("esx1", "all is unmapped now", lba_status(9 * MIB), lambda d: d[20] & 0x0F == 1),
)


def xcopy(wwid: bytes, count: int, here: int, there: int) -> Out:
    """EXTENDED COPY(LID1) within a LUN, as ESXi's data mover sends it: no list identifier, an NAA name."""
    cscd = struct.pack(">BBHBBxB", 0xE4, 0, 0, 1, 3, len(wwid)) + wwid.ljust(20, b"\0") + struct.pack(">I", 512)
    segment = struct.pack(">BBHHH2xHQQ", 2, 0, 24, 0, 0, count, here, there)
    data = struct.pack(">BBH4xII", 0, 0x18, len(cscd), len(segment), 0) + cscd + segment
    return Out(struct.pack(">BB8xIxx", 0x83, 0, len(data)), data)


def test_esxi_clones(site: Site) -> None:
    """VAAI full copy: 4 MiB at a time, as the page allows."""
    site.write(site.target(site.lun(1)))
    site.start()
    with site.login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        page = initiator.read(vital(0x83).cdb, 255, lun=1).data
    wwid = page[page.index(b"\x01\x03\x00\x10") + 4 :][:16]
    four = 4 * MIB
    pattern = bytes(range(256)) * (4096 * 4)
    play(
        site,
        1,
        (
            Row("esx1", "third-party copy?", standard(96), lambda d: d[5] & 0x08),
            Row("esx1", "how much?", In(struct.pack(">BB8xIxx", 0x84, 3, 64), 64), lambda d: d[44:] == b"\x02\xe4"),
            Row("esx1", "what is to be cloned", write16(0, pattern)),
            *(Row("esx1", "a piece", xcopy(wwid, four, 0, number * four)) for number in range(1, 5)),
            *(Row("esx1", "is there", read16(number * four, four), pattern) for number in range(1, 5)),
            Row("esx1", "beyond the end", xcopy(wwid, four, 0, 63 * MIB), (0xA, 0x00, 0x00)),
            Row("esx1", "a LUN elsewhere", xcopy(bytes(16), 8, 0, 8), (0xA, 0x0D, 0x02)),
            Row("esx2", "reserves it", RESERVE_6),
            Row("esx1", "is kept out", xcopy(wwid, 8, 0, 8), CONFLICT),
            Row("esx2", "releases", RELEASE_6),
        ),
    )
    assert "Traceback" not in site.log


@pytest.mark.parametrize(
    "rows",
    [SCAN, DATASTORE, ATS, ZERO, (Row("esx1", "first", write16(0, b"\x11" * 4096)), *RECLAIM)],
    ids=["scan", "datastore", "ats", "zero", "reclaim"],
)
def test_esxi(site: Site, rows: tuple[Row, ...]) -> None:
    site.write(site.target(site.lun(1)))
    site.start()
    play(site, 1, rows)
    assert "Traceback" not in site.log
