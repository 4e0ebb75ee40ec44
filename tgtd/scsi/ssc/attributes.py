"""Medium auxiliary memory: READ ATTRIBUTE and WRITE ATTRIBUTE, a row for each attribute (SPC-5 6.17, 6.47, 7.4).

The device and the medium tell of themselves, and cannot be written; what hosts write is kept in the cartridge's label,
for each partition, and is there when the command has ended.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.ssc.cartridge import Cartridge
from tgtd.scsi.ssc.head import Head
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

BINARY, ASCII, TEXT = 0, 1, 2
"""FORMAT of an attribute's value."""

_READ_ONLY = 0x80
_HEAD = struct.Struct(">HBH")
MOST_KEPT = 16 << 10
"""Bytes that hosts may keep for each partition (MAM CAPACITY)."""

_VALUES, _LIST, _VOLUMES, _PARTITIONS, _SUPPORTED = 0, 1, 2, 3, 5
_HOST_VENDOR = range(0x1400, 0x1800)
_MEGABYTE = 1_000_000

AttributeValue = Callable[["TapeDrive", Cartridge, int], bytes]
"""Called with the drive, the cartridge and the partition."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """number: attribute identifier. kind: FORMAT. length: of the value, or the most that it may have. value: of those
    that are told; None: hosts write it."""

    number: int
    name: str
    kind: int
    length: int
    value: AttributeValue | None = None


def _number(length: int, value: Callable[[TapeDrive, Cartridge, int], int]) -> AttributeValue:
    return lambda drive, cartridge, partition: value(drive, cartridge, partition).to_bytes(length, "big")


def _text(length: int, value: Callable[[TapeDrive, Cartridge, int], str]) -> AttributeValue:
    return lambda *where: value(*where).encode("ascii", "replace")[:length].ljust(length)


def _remaining(drive: TapeDrive, cartridge: Cartridge, number: int) -> int:
    partition = cartridge.partitions[number]
    return max(0, partition.capacity - partition.end) // _MEGABYTE


def _space(drive: TapeDrive, cartridge: Cartridge, number: int) -> int:
    return MOST_KEPT - sum(len(value) for _, value in cartridge.attributes(number).values())


def _organisation(drive: TapeDrive, cartridge: Cartridge, number: int) -> str:
    density = drive.personality.density(cartridge.density)
    return "" if density is None else density.organisation


def _drive(back: int, drive: TapeDrive, cartridge: Cartridge, number: int) -> str:
    """The drive it is in, or one that it was in before."""
    return cartridge.drives[back] if back < len(cartridge.drives) else ""


def _written(drive: TapeDrive, cartridge: Cartridge, number: int) -> int:
    return cartridge.written // _MEGABYTE


def _fetched(drive: TapeDrive, cartridge: Cartridge, number: int) -> int:
    return cartridge.fetched // _MEGABYTE


def _written_now(drive: TapeDrive, cartridge: Cartridge, number: int) -> int:
    return drive.tally.since_load().stored // _MEGABYTE


def _fetched_now(drive: TapeDrive, cartridge: Cartridge, number: int) -> int:
    return drive.tally.since_load().fetched // _MEGABYTE


def _medium_type(drive: TapeDrive, cartridge: Cartridge, number: int) -> int:
    return {"clean": 0x01, "worm": 0x80}.get(cartridge.kind, 0x00)


ATTRIBUTES = (
    Attribute(0x0000, "remaining capacity in partition", BINARY, 8, _number(8, _remaining)),
    Attribute(
        0x0001,
        "maximum capacity in partition",
        BINARY,
        8,
        _number(8, lambda drive, cartridge, number: cartridge.partitions[number].capacity // _MEGABYTE),
    ),
    Attribute(0x0003, "load count", BINARY, 8, _number(8, lambda drive, cartridge, number: cartridge.loads)),
    Attribute(0x0004, "MAM space remaining", BINARY, 8, _number(8, _space)),
    Attribute(0x0005, "assigning organization", ASCII, 8, _text(8, _organisation)),
    Attribute(
        0x0006, "formatted density code", BINARY, 1, _number(1, lambda drive, cartridge, number: cartridge.density)
    ),
    Attribute(
        0x0009, "volume change reference", BINARY, 4, _number(4, lambda drive, cartridge, number: cartridge.reference)
    ),
    Attribute(0x020A, "drive that it is in", ASCII, 40, _text(40, partial(_drive, 0))),
    Attribute(0x020B, "drive before that", ASCII, 40, _text(40, partial(_drive, 1))),
    Attribute(0x020C, "second drive before that", ASCII, 40, _text(40, partial(_drive, 2))),
    Attribute(0x020D, "third drive before that", ASCII, 40, _text(40, partial(_drive, 3))),
    Attribute(0x0220, "megabytes written since it was made", BINARY, 8, _number(8, _written)),
    Attribute(0x0221, "megabytes read since it was made", BINARY, 8, _number(8, _fetched)),
    Attribute(0x0222, "megabytes written since it was loaded", BINARY, 8, _number(8, _written_now)),
    Attribute(0x0223, "megabytes read since it was loaded", BINARY, 8, _number(8, _fetched_now)),
    Attribute(0x0401, "medium serial number", ASCII, 32, _text(32, lambda drive, cartridge, number: cartridge.serial)),
    Attribute(0x0405, "medium density code", BINARY, 1, _number(1, lambda drive, cartridge, number: cartridge.density)),
    Attribute(0x0407, "MAM capacity", BINARY, 8, _number(8, lambda *where: MOST_KEPT)),
    Attribute(0x0408, "medium type", BINARY, 1, _number(1, _medium_type)),
    Attribute(0x0800, "application vendor", ASCII, 8),
    Attribute(0x0801, "application name", ASCII, 32),
    Attribute(0x0802, "application version", ASCII, 8),
    Attribute(0x0803, "user medium text label", TEXT, 160),
    Attribute(0x0804, "date and time last written", ASCII, 12),
    Attribute(0x0805, "text localization identifier", BINARY, 1),
    Attribute(0x0806, "barcode", ASCII, 32),
    Attribute(0x0807, "owning host textual name", TEXT, 80),
    Attribute(0x0808, "media pool", TEXT, 160),
    Attribute(0x0809, "partition user text label", ASCII, 16),
    Attribute(0x080B, "application format version", ASCII, 16),
    Attribute(0x080C, "volume coherency information", BINARY, 256),
    Attribute(0x0820, "medium globally unique identifier", BINARY, 36),
    Attribute(0x0821, "media pool globally unique identifier", BINARY, 36),
)
_BY_NUMBER = {row.number: row for row in ATTRIBUTES}


def _row(number: int) -> Attribute | None:
    if number in _HOST_VENDOR:
        return Attribute(number, "vendor specific host attribute", BINARY, 1024)
    return _BY_NUMBER.get(number)


def _present(drive: TapeDrive, cartridge: Cartridge, partition: int) -> Iterator[tuple[int, int, bytes]]:
    """Identifier, format with the read only bit, and value, in order."""
    kept = cartridge.attributes(partition)
    for number in sorted({row.number for row in ATTRIBUTES if row.value is not None} | kept.keys()):
        row = _BY_NUMBER.get(number)
        if row is not None and row.value is not None:
            yield number, _READ_ONLY | row.kind, row.value(drive, cartridge, partition)
        else:
            yield number, *kept[number]


def read_attribute(drive: TapeDrive, task: Task) -> int:
    """READ ATTRIBUTE: values, the list of what is there, of what there could be, of partitions, of logical volumes."""
    cdb = task.cdb
    cartridge = drive.tape()
    action, partition, first = cdb[1] & 0x1F, cdb[7], int.from_bytes(cdb[8:10], "big")
    if cdb[5]:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=5, bit=7)
    if partition >= len(cartridge.partitions):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=7, bit=7)
    room = int.from_bytes(cdb[10:14], "big")
    if action in (_VALUES, _LIST):
        found = [one for one in _present(drive, cartridge, partition) if one[0] >= first]
        if first and not any(one[0] == first for one in found):
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=8, bit=7)
        body = b"".join(
            _HEAD.pack(number, kind, len(value)) + value if action == _VALUES else number.to_bytes(2, "big")
            for number, kind, value in found
        )
    elif action in (_VOLUMES, _PARTITIONS):
        body = bytes((0, 1 if action == _VOLUMES else len(cartridge.partitions)))
        task.data_in = (struct.pack(">H", len(body)) + body)[:room]
        return GOOD
    elif action == _SUPPORTED:
        body = b"".join(row.number.to_bytes(2, "big") for row in ATTRIBUTES if row.number >= first)
    else:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
    task.data_in = (struct.pack(">I", len(body)) + body)[:room]
    return GOOD


def wanted(drive: TapeDrive, cdb: bytes) -> int:
    """Bytes of the parameter list, no more than there can be of it."""
    return min(int.from_bytes(cdb[10:14], "big"), 2 * MOST_KEPT)


def write_attribute(drive: TapeDrive, task: Task) -> int:
    """WRITE ATTRIBUTE: all of the list, or nothing of it."""
    cdb = task.cdb
    cartridge, partition = drive.tape(), cdb[7]
    if cdb[5]:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=5, bit=7)
    if partition >= len(cartridge.partitions):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=7, bit=7)
    length = int.from_bytes(cdb[10:14], "big")
    if not length:
        return GOOD
    data = bytes(task.data_out or b"")
    told = int.from_bytes(data[:4], "big")  # LTFS counts these four bytes too
    if len(data) < length or length < 4 or told not in (length - 4, length):
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    changes = dict(_changes(data))

    def prepare() -> Callable[[], Head]:
        kept = {**drive.tape().attributes(partition), **changes}
        if sum(len(value) for _, value in kept.values()) > MOST_KEPT:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=0)
        return partial(_keep, drive.tape(), partition, changes, drive.head)

    return drive.alone(task, prepare, writing=True)


def _keep(cartridge: Cartridge, partition: int, changes: dict[int, tuple[int, bytes]], head: Head) -> Head:
    cartridge.set_attributes(partition, changes)
    return head


def _changes(data: bytes) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """Identifier, format and value of each attribute in a list; an empty value takes the attribute away."""
    at = 4
    while at < len(data):
        if at + _HEAD.size > len(data):
            raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
        number, kind, length = _HEAD.unpack_from(data, at)
        value = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(value) < length:
            raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
        row = _row(number)
        if row is None or row.value is not None:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=7)
        if kind > TEXT or (kind != row.kind and number not in _HOST_VENDOR):
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + 2, bit=7)
        if length > row.length:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + 3, bit=7)
        yield number, (kind, value)
        at += _HEAD.size + length


MEMORY = (
    Command(
        0x8C,
        "READ ATTRIBUTE",
        read_attribute,
        usage("8C 1F 000000 FF 00 FF FFFF FFFFFFFF 00 04"),
        medium=True,
        reservation="read",
    ),
    Command(
        0x8D,
        "WRITE ATTRIBUTE",
        write_attribute,
        usage("8D 01 000000 FF 00 FF 0000 FFFFFFFF 00 04"),
        data_out=wanted,
        medium=True,
        writes=True,
    ),
)
