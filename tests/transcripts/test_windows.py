"""What Windows sends: a disk brought online and trimmed, and the cluster validation of persistent reservations.

The validation's report names its steps: register, reserve, read back, what an unregistered and what a registered node
may do, preempt, release, clear. The cluster's own arbitration follows, with its keys and its type (5h).
"""

from __future__ import annotations

import struct

import pytest

from tests.initiator import Initiator
from tests.scsi.reserving import (
    CLEAR,
    EA,
    FULL_STATUS,
    IGNORE,
    KEYS,
    PREEMPT,
    REGISTER,
    RELEASE,
    RESERVATION,
    RESERVE,
    WE,
    WE_RO,
    read,
)
from tests.scsi.reserving import out as persistent
from tests.transcripts.stage import (
    CONFLICT,
    READ_CAPACITY_16,
    In,
    Out,
    Row,
    lba_status,
    play,
    read16,
    standard,
    unmap,
    vital,
    write16,
)
from tests.wire.conftest import Site

pytestmark = pytest.mark.wire

A, B, C = 0x000000000000000A, 0x000000000000000B, 0x000000000000000C
BLOCK = b"\x42" * 512
RESERVED_AWAY, RELEASED, REGISTRATIONS_GONE = (0x6, 0x2A, 0x03), (0x6, 0x2A, 0x04), (0x6, 0x2A, 0x05)


def out(action: int, key: int = 0, new_key: int = 0, kind: int = 0) -> Out:
    return Out(*persistent(action, key, new_key, kind))


def keys(generation: int, *those: int) -> bytes:
    return struct.pack(f">II{len(those)}Q", generation, 8 * len(those), *those)


def holder(generation: int, key: int, kind: int) -> bytes:
    return struct.pack(">IIQ5xB2x", generation, 16, key, kind)


READ_KEYS, READ_RESERVATION = In(read(KEYS, 256), 256), In(read(RESERVATION, 256), 256)
READ_FULL = In(read(FULL_STATUS, 1024), 1024)

VALIDATION = (
    Row("node1", "nobody is registered", READ_KEYS, keys(0)),
    Row("node1", "register", out(IGNORE, 0, A)),
    Row("node1", "reserve", out(RESERVE, A, kind=WE_RO)),
    Row("node1", "read the reservation", READ_RESERVATION, holder(1, A, WE_RO)),
    Row("node1", "read the keys", READ_KEYS, keys(1, A)),
    Row("node1", "writes", write16(0, BLOCK)),
    Row("node2", "unregistered: reads", read16(0, 1), BLOCK),
    Row("node2", "but does not write", write16(0, bytes(512)), CONFLICT),
    Row("node2", "nor reserve", out(RESERVE, B, kind=WE_RO), CONFLICT),
    Row("node2", "nor release", out(RELEASE, B, kind=WE_RO), CONFLICT),
    Row("node2", "nor preempt", out(PREEMPT, B, A, WE_RO), CONFLICT),
    Row("node2", "nor clear", out(CLEAR, B), CONFLICT),
    Row("node2", "nor register with a key it never had", out(REGISTER, A, B), CONFLICT),
    Row("node2", "reads the reservation", READ_RESERVATION, holder(1, A, WE_RO)),
    Row("node2", "register", out(IGNORE, 0, B)),
    Row("node2", "both are there", READ_KEYS, keys(2, A, B)),
    Row("node2", "writes now", write16(8, BLOCK)),
    Row("node2", "still does not reserve", out(RESERVE, B, kind=WE_RO), CONFLICT),
    Row("node2", "its release is no error, and releases nothing", out(RELEASE, B, kind=WE_RO)),
    Row("node2", "as one sees", READ_RESERVATION, holder(2, A, WE_RO)),
    Row("node2", "unregister", out(REGISTER, B, 0)),
    Row("node2", "does not write any more", write16(8, bytes(512)), CONFLICT),
    Row("node1", "release as another type", out(RELEASE, A, kind=EA), (0x5, 0x26, 0x04)),
    Row("node1", "register anew, the old key given", out(REGISTER, A, C)),
    Row("node1", "holds it with the new key", READ_RESERVATION, holder(4, C, WE_RO)),
    Row("node1", "release", out(RELEASE, C, kind=WE_RO)),
    Row("node1", "nothing is reserved", READ_RESERVATION, struct.pack(">II", 4, 0)),
    Row("node2", "writes", write16(8, BLOCK)),
    Row("node1", "clear", out(CLEAR, C)),
    Row("node1", "nobody is left", READ_KEYS, keys(5)),
)

ARBITRATION = (
    Row("node1", "register", out(IGNORE, 0, A)),
    Row("node1", "reserve", out(RESERVE, A, kind=WE_RO)),
    Row("node2", "register", out(IGNORE, 0, B)),
    Row("node3", "register", out(IGNORE, 0, C)),
    Row("node3", "who is there", READ_FULL, lambda d: offsets(d) == [(A, 1), (B, 0), (C, 0)]),
    Row("node1", "defends: is its key there?", READ_KEYS, keys(3, A, B, C)),
    Row("node2", "challenges: preempts the holder", out(PREEMPT, B, A, WE_RO)),
    Row("node2", "holds it", READ_RESERVATION, holder(4, B, WE_RO)),
    Row("node1", "may not write: the conflict comes before the attention (SAM-5 5.3.3)", write16(0, BLOCK), CONFLICT),
    Row("node1", "hears that it is out", read16(0, 1), REGISTRATIONS_GONE),
    Row("node1", "its key is gone", READ_KEYS, keys(4, B, C)),
    Row("node3", "is registered, and writes on", write16(16, BLOCK)),
    Row("node2", "fences it too", out(PREEMPT, B, C, WE_RO)),
    Row("node3", "hears of it", read16(16, 1), REGISTRATIONS_GONE),
    Row("node3", "reads", read16(16, 1), BLOCK),
    Row("node3", "but does not write", write16(16, bytes(512)), CONFLICT),
    Row("node1", "comes back", out(IGNORE, 0, A)),
    Row("node2", "hands over: release", out(RELEASE, B, kind=WE_RO)),
    Row("node1", "hears of the release", read16(0, 1), RELEASED),
    Row("node1", "reserves", out(RESERVE, A, kind=WE_RO)),
    Row("node2", "unregister", out(REGISTER, B, 0)),
    Row("node1", "clear", out(CLEAR, A)),
    Row("node1", "nobody is left", READ_KEYS, keys(8)),
)

OTHER_TYPE = (
    Row("node1", "register", out(IGNORE, 0, A)),
    Row("node1", "reserve for itself", out(RESERVE, A, kind=WE)),
    Row("node2", "register", out(IGNORE, 0, B)),
    Row("node2", "is registered, and may read", read16(0, 1), bytes(512)),
    Row("node2", "but not write", write16(0, BLOCK), CONFLICT),
    Row("node2", "clears all", out(CLEAR, B)),
    Row("node1", "hears that it was reserved", read16(0, 1), RESERVED_AWAY),
    Row("node2", "writes", write16(0, BLOCK)),
)


def offsets(answer: bytes) -> list[tuple[int, int]]:
    """Key and R_HOLDER of each descriptor of READ FULL STATUS."""
    found, at = [], 8
    while at < len(answer):
        key, holds, more = struct.unpack_from(">Q4xB7xI", answer, at)
        found.append((key, holds & 1))
        at += 24 + more
    return found


ONLINE = (
    Row("node1", "INQUIRY", standard(0xFF), lambda d: len(d) == 96),
    Row("node1", "which VPD pages", vital(0x00, 0xFF), lambda d: len(d) == 4 + d[3]),
    Row("node1", "a page's head alone", vital(0x83, 4), lambda d: len(d) == 4),
    Row("node1", "block limits, whole", vital(0xB0, 64), lambda d: len(d) == 64 and d[28:36] != bytes(8)),
    Row("node1", "provisioning: thin, LBPU", vital(0xB2, 64), lambda d: (d[5] & 0x80, d[6] & 7) == (0x80, 2)),
    Row("node1", "capacity", READ_CAPACITY_16, lambda d: d[14] & 0xC0 == 0xC0),
    Row("node1", "caching page", In(bytes((0x1A, 8, 8, 0, 0xC0, 0)), 0xC0), lambda d: d[4] & 0x3F == 8),
    Row("node1", "writes", write16(2048, BLOCK * 64)),
    Row("node1", "mapped", lba_status(2048), lambda d: d[20] & 0x0F == 0),
    Row("node1", "trims", unmap((2048, 32), (2080, 32))),
    Row("node1", "unmapped", lba_status(2048), lambda d: d[20] & 0x0F == 1),
    Row("node1", "trims nothing", unmap()),
    Row("node1", "flush", Out(bytes((0x35,)) + bytes(9))),
)


@pytest.mark.parametrize(
    "rows",
    [VALIDATION, ARBITRATION, OTHER_TYPE, ONLINE],
    ids=["validation", "arbitration", "exclusive", "online"],
)
def test_windows(site: Site, rows: tuple[Row, ...]) -> None:
    site.write(site.target(site.lun(1)))
    site.start()
    play(site, 1, rows)
    assert "Traceback" not in site.log


def token_list(token: bytes, lba: int, count: int, offset: int) -> bytes:
    """The parameter list of WRITE USING TOKEN, in the background."""
    return struct.pack(">HB5xQ512s6xHQI4x", 534 + 16, 1, offset, token, 16, lba, count)


def ticket(node: Initiator, lun: int, lba: int, count: int, identifier: int) -> bytes:
    """POPULATE TOKEN, and the token."""
    data = struct.pack(">HBxIIxxHQI4x", 14 + 16, 0, 0, 0, 16, lba, count)
    assert node.write(struct.pack(">BB4xIIxx", 0x83, 0x10, identifier, len(data)), data, lun=lun).status == 0
    told = node.read(struct.pack(">BBI4xIxx", 0x84, 0x07, identifier, 1024), 1024, lun=lun).data
    assert (told[4], told[5], told[15], int.from_bytes(told[16:24], "big")) == (0x10, 1, 0xF1, count)
    return told[38 : 38 + 512]


def spend(node: Initiator, lun: int, data: bytes, count: int, identifier: int) -> None:
    """WRITE USING TOKEN, then asking until it is done."""
    assert node.write(struct.pack(">BB4xIIxx", 0x83, 0x11, identifier, len(data)), data, lun=lun).status == 0
    state = 0x12
    while state == 0x12:
        told = node.read(struct.pack(">BBI4xIxx", 0x84, 0x07, identifier, 1024), 1024, lun=lun).data
        state = told[5]
    assert (told[4], state, int.from_bytes(told[16:24], "big")) == (0x11, 1, count)


def test_offloaded_data_transfer(site: Site) -> None:
    """A file of 1 GiB is copied to another LUN as Explorer does it: by 256 MiB, reading page 8Fh first."""
    whole, part = 1 << 21, 1 << 19
    site.write(site.target(site.lun(1, size="2 GiB"), site.lun(2, size="2 GiB")))
    site.start()
    source, copy = site.media / "lun1.img", site.media / "lun2.img"
    places = [2048 * 512 + at for at in (0, 300 << 20, (1 << 30) - 4096)]
    with source.open("r+b") as file:
        for number, at in enumerate(places, 1):
            file.seek(at)
            file.write(bytes((number,)) * 4096)
    with site.login() as node:
        for lun in (1, 2):
            node.read(bytes(6), 0, lun=lun)
        page = node.read(vital(0x8F, 1024).cdb, 1024, lun=1).data
        assert struct.pack(">HH", 0x0106, 92) in page
        for number in range(4):
            token = ticket(node, 1, 2048 + number * part, part, 16 + number)
            spend(node, 2, token_list(token, 4096 + number * part, part, 0), part, 32 + number)
        stale = ticket(node, 1, 2048, 8, 64)
        node.write(write16(2050, BLOCK).cdb, BLOCK, lun=1)
        refused = node.write(struct.pack(">BB4xIIxx", 0x83, 0x11, 65, 552), token_list(stale, 0, 8, 0), lun=2)
        assert refused.asc == (0x5, 0x23, 0x08)
    with copy.open("rb") as file:
        for number, at in enumerate(places, 1):
            file.seek(at + 2048 * 512)
            assert file.read(4096) == bytes((number,)) * 4096
    assert copy.stat().st_blocks * 512 < 1 << 20, "holes stay holes"
    assert whole == 4 * part
    assert "Traceback" not in site.log
