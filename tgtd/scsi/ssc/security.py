"""SECURITY PROTOCOL IN and OUT: tape data encryption, a row for each page (SPC-5 6.40, 6.41, 7.7; SSC-5 8.5).

Keys come in plain text only, over a connection that somebody else must protect, and do not leave the drive again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tgtd.scsi.command import Command
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, INVALID_FIELD_IN_PARAMETER_LIST, CheckCondition
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.ssc.cartridge import Partition
from tgtd.scsi.ssc.codec import PLAIN
from tgtd.scsi.ssc.encryption import DECRYPT, DISABLED, MIXED, Parameters
from tgtd.scsi.ssc.head import Head, record_at
from tgtd.scsi.ssc.sealing import (
    ALGORITHM,
    KEY_SIZE,
    MOST_AUTHENTICATED,
    MOST_UNAUTHENTICATED,
    SEALED,
    Seal,
    decode,
)
from tgtd.scsi.ssc.setting import A_KAD, U_KAD, decode_parameters
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

INFORMATION, ENCRYPTION = 0x00, 0x20
"""SECURITY PROTOCOL."""
SET_DATA_ENCRYPTION = 0x0010
MOST_LIST = 1024
"""Bytes of a parameter list that are taken: the longest SET DATA ENCRYPTION page is much shorter."""

_AES_256_GCM = 0x00010014
"""SECURITY ALGORITHM CODE: with a tag of 16 bytes (SPC-5 table of ESP-SCSI algorithms)."""
_NOT_AUTHENTICATED, _NOT_TRIED = 1, 2
"""AUTHENTICATED: it is not covered; nobody has looked yet."""
_NONE, _NOT_NOW, _NOT_A_BLOCK, _IN_CLEAR, _UNKNOWN_ALGORITHM, _ABLE, _UNABLE = range(7)
"""ENCRYPTION STATUS of the next block."""
_PACKED = 4
"""COMPRESSION STATUS: compressed; up to _IN_CLEAR it has the values of the other."""

Answer = Callable[["TapeDrive", Task], bytes]


def _page(code: int, body: bytes) -> bytes:
    return struct.pack(">HH", code, len(body)) + body


def _protocols(drive: TapeDrive, task: Task) -> bytes:
    """Supported security protocols list (SPC-5 7.7.2.2)."""
    return struct.pack(">6xHBB", 2, INFORMATION, ENCRYPTION)


def _certificate(drive: TapeDrive, task: Task) -> bytes:
    """Certificate data: there is none (SPC-5 7.7.2.3)."""
    return bytes(4)


def _pages_in(drive: TapeDrive, task: Task) -> bytes:
    codes = [specific for protocol, specific in PAGES if protocol == ENCRYPTION]
    return _page(0x0000, struct.pack(f">{len(codes)}H", *codes))


def _pages_out(drive: TapeDrive, task: Task) -> bytes:
    return _page(0x0001, struct.pack(">H", SET_DATA_ENCRYPTION))


_BY_SOFTWARE = 1
_DECRYPT_C, _ENCRYPT_C = _BY_SOFTWARE << 2, _BY_SOFTWARE
_AVFMV, _MAC_C, _DELB_C = 0x80, 0x20, 0x10
_NONCE_BY_DRIVE, _KADF_C, _VCELB_C = 0x10, 0x08, 0x04
_KAD_ALLOWED, _NO_EXTERNAL, _RAW_BY_DEFAULT, _EAREM = 0xC0, 0x10, 0x05 << 1, 0x01


def _capabilities(drive: TapeDrive, task: Task) -> bytes:
    """Data encryption capabilities: one algorithm (SSC-5 8.5.2.4). AVFMV: it can be used on what is mounted now.

    Ciphertexts have a tag (MAC_C); encrypted blocks are known as such (DELB_C), and so are volumes that have any
    (VCELB_C); nonces are the drive's. Blocks may be read raw unless they were marked (RDMC_C); EXTERNAL mode is not
    there (EEMC_C), so that what mode a block was written in is always known (EAREM).
    """
    fourth = _MAC_C | _DELB_C | _DECRYPT_C | _ENCRYPT_C | _AVFMV * drive.encryptable
    descriptor = struct.pack(
        ">BxHBBHHHB7xI",
        ALGORITHM,
        20,
        fourth,
        _NONCE_BY_DRIVE | _KADF_C | _VCELB_C,
        MOST_UNAUTHENTICATED,
        MOST_AUTHENTICATED,
        KEY_SIZE,
        _KAD_ALLOWED | _NO_EXTERNAL | _RAW_BY_DEFAULT | _EAREM,
        _AES_256_GCM,
    )
    no_other_control, may_be_set = 0x04, 0x01
    return _page(0x0010, bytes((no_other_control | may_be_set,)) + bytes(15) + descriptor)


def _formats(drive: TapeDrive, task: Task) -> bytes:
    """Supported key formats: plain text."""
    return _page(0x0011, b"\0")


def _management(drive: TapeDrive, task: Task) -> bytes:
    """Data encryption management capabilities: LOCK_C; CKOD_C; AITN_C, LOCAL_C, PUBLIC_C."""
    return _page(0x0012, bytes((0x01, 0x04, 0x00, 0x07)) + bytes(8))


def _status(drive: TapeDrive, task: Task) -> bytes:
    """Data encryption status (SSC-5 8.5.2.7): what holds for the nexus that asks."""
    now = drive.keys.of(task.itl)
    cartridge = drive.cartridge if drive.loaded else None
    by_initiators, some = 0x10, 0x08 * (cartridge is not None and cartridge.encrypted)  # PARAMETERS CONTROL, VCELB
    idle = now.encryption == now.decryption == DISABLED
    head = struct.pack(
        ">BBBBIBB10x",
        drive.keys.scope(task.itl) << 5 | now.scope,
        now.encryption,
        now.decryption,
        0 if idle else ALGORITHM,
        now.instance,
        by_initiators | some | now.external << 1 | now.no_raw,
        now.kad_format,
    )
    return _page(0x0020, head + _descriptors(now.unauthenticated, now.authenticated, 0, 0))


def _descriptors(unauthenticated: bytes, authenticated: bytes, *authentication: int) -> bytes:
    """Key-associated data; authentication: AUTHENTICATED of both."""
    found = b""
    for kind, data, how in zip((U_KAD, A_KAD), (unauthenticated, authenticated), authentication, strict=True):
        if data:
            found += struct.pack(">BBH", kind, how, len(data)) + data
    return found


def _next_block(number: int, packed: int, status: int, seal: Seal | None = None) -> bytes:
    """Next block encryption status (SSC-5 8.5.2.8). number: of the object. packed: COMPRESSION STATUS."""
    algorithm = ALGORITHM if status in (_ABLE, _UNABLE) else 0
    flags, kad_format, found = 0, 0, b""
    if seal is not None:
        flags, kad_format = int(seal.no_raw), seal.kad_format
        found = _descriptors(seal.unauthenticated, seal.authenticated, _NOT_AUTHENTICATED, _NOT_TRIED)
    return _page(0x0021, struct.pack(">QBBBB", number, packed << 4 | status, algorithm, flags, kad_format) + found)


def _look(partition: Partition, head: Head, parameters: Parameters) -> bytes:
    """By a worker: reads the block that comes next, without moving. Raises OSError."""
    if head.number >= partition.objects:
        return _next_block(head.number, _NOT_NOW, _NOT_NOW)
    record = record_at(partition, head)
    if record.run:
        return _next_block(head.number, _NOT_A_BLOCK, _NOT_A_BLOCK)
    stored = memoryview(bytearray(record.stored))
    form = partition.read(record, stored).form
    packed = _IN_CLEAR if form & ~SEALED == PLAIN else _PACKED
    if not form & SEALED:
        return _next_block(head.number, packed, _IN_CLEAR)
    seal = decode(stored)
    if seal is None:
        return _next_block(head.number, packed, _UNKNOWN_ALGORITHM)
    cipher = parameters.cipher
    able = parameters.decryption in (DECRYPT, MIXED) and cipher is not None and cipher.check == seal.check
    return _next_block(head.number, packed, _ABLE if able else _UNABLE, seal)


PAGES: dict[tuple[int, int], Answer | None] = {
    (INFORMATION, 0x0000): _protocols,
    (INFORMATION, 0x0001): _certificate,
    (ENCRYPTION, 0x0000): _pages_in,
    (ENCRYPTION, 0x0001): _pages_out,
    (ENCRYPTION, 0x0010): _capabilities,
    (ENCRYPTION, 0x0011): _formats,
    (ENCRYPTION, 0x0012): _management,
    (ENCRYPTION, 0x0020): _status,
    (ENCRYPTION, 0x0021): None,
}
"""By SECURITY PROTOCOL and SECURITY PROTOCOL SPECIFIC, in order; None: the cartridge has to be asked."""


def _find(cdb: bytes) -> tuple[int, int]:
    """Raises INVALID FIELD IN CDB: no such protocol, or no such page of it."""
    protocol, specific = cdb[1], int.from_bytes(cdb[2:4], "big")
    if protocol not in (INFORMATION, ENCRYPTION):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=7)
    if (protocol, specific) not in PAGES:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    return protocol, specific


def security_in(drive: TapeDrive, task: Task) -> int:
    """SECURITY PROTOCOL IN."""
    protocol, specific = _find(task.cdb)
    room = int.from_bytes(task.cdb[6:10], "big")
    if protocol == ENCRYPTION:
        drive.keys.listen(task.itl)
    answer = PAGES[protocol, specific]
    if answer is not None:
        task.data_in = answer(drive, task)[:room]
        return GOOD
    if drive.cartridge is None or not drive.loaded:
        task.data_in = _next_block(0, _NONE, _NONE)[:room]
        return GOOD
    return _ask_cartridge(drive, task, room)


def _ask_cartridge(drive: TapeDrive, task: Task, room: int) -> int:
    found: list[bytes] = []

    def prepare() -> Callable[[], Head]:
        partition, head, parameters = drive.partition(), drive.head, drive.keys.of(task.itl)

        def work() -> Head:
            found.append(_look(partition, head, parameters))
            return head

        return work

    def then(task: Task) -> None:
        task.data_in = found[0][:room]

    return drive.alone(task, prepare, then)


def wanted(drive: TapeDrive, cdb: bytes) -> int:
    """Raises INVALID FIELD IN CDB: nobody has so much to say."""
    length = int.from_bytes(cdb[6:10], "big")
    if length > MOST_LIST:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=6, bit=7)
    return length


def security_out(drive: TapeDrive, task: Task) -> int:
    """SECURITY PROTOCOL OUT: SET DATA ENCRYPTION, for what begins after it."""
    if task.cdb[1] != ENCRYPTION:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=7)
    if int.from_bytes(task.cdb[2:4], "big") != SET_DATA_ENCRYPTION:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    drive.keys.listen(task.itl)
    length = wanted(drive, task.cdb)
    if not length:
        return GOOD
    ciphers = drive.settings.ciphers
    assert ciphers is not None
    mounted = drive.cartridge is not None and drive.loaded
    data = bytes(task.data_out or b"")
    if isinstance(task.data_out, memoryview):
        # The buffer goes back into the pool, and shall not take a key there.
        task.data_out[:] = bytes(len(task.data_out))
    parameters, lock = decode_parameters(data, length, ciphers, mounted)

    def prepare() -> Callable[[], Head]:
        if parameters.demount and not drive.loaded:  # what it would wait for has gone while this one waited
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=5, bit=2)
        return partial(_stay, drive.head)

    return drive.alone(task, prepare, lambda task: drive.keys.set(task.itl, parameters, lock))


def _stay(head: Head) -> Head:
    return head


def _encrypts(drive: Any) -> bool:
    return bool(drive.encrypts)


SECURITY = (
    Command(
        0xA2,
        "SECURITY PROTOCOL IN",
        security_in,
        usage("A2 FF FFFF 00 00 FFFFFFFF 00 04"),
        reservation="read",
        available=_encrypts,
    ),
    Command(
        0xB5,
        "SECURITY PROTOCOL OUT",
        security_out,
        usage("B5 FF FFFF 00 00 FFFFFFFF 00 04"),
        data_out=wanted,
        available=_encrypts,
    ),
)
