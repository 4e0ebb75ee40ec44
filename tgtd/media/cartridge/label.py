"""A cartridge's label: who it is, and where its data begins to be trusted.

Two slots at the start of the file are written in turn, each whole and checked; the newer one that is intact counts. So
a label that is being written when the power goes leaves the one before.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from crc32c import crc32c

from tgtd.media.descriptor import read_fully, write_fully
from tgtd.media.problem import MediumError

SLOT = 256 << 10
"""Bytes of a slot."""
DATA = 2 * SLOT
"""Where the segments begin."""
MOST_SEGMENTS = 4096
MOST_PARTITIONS = 4
MOST_BARCODE = 32
MOST_DRIVES = 4
"""How many of the drives that it was in are kept."""
MOST_ERRORS = (1 << 32) - 1
VERSION = 1
NONE = (1 << 64) - 1
"""Of object numbers: there is no such object."""

KINDS = ("data", "worm", "clean")

_HEAD = struct.Struct("<16sQII")
_USUAL = 4096
"""Bytes of a slot that most labels fit into."""
_SALT = 8
_LONGEST_SEGMENT = 1 << 50
"""All of them together are less than a file can have."""
_LAST_TIME = 253402300799
"""Seconds: the end of the year 9999."""
_MAGIC = b"tgtd tape\r\n\x1a\n"


@dataclass(slots=True)
class Extent:
    """A partition, as of the last label.

    capacity: bytes it holds. epoch: how often it was overwritten. end: the length of its stream. objects, filemarks:
    how many there are. pages: where the last index page of each level stands. segments: of the file, in order. owed: a
    run of filemarks whose header may not be in the stream yet: where it stands, its first object, how many they are.
    sealed: the first object that is encrypted; NONE for none.
    """

    capacity: int
    epoch: int = 0
    end: int = 0
    objects: int = 0
    filemarks: int = 0
    pages: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    owed: list[int] = field(default_factory=list)
    sealed: int = NONE


@dataclass(slots=True)
class Label:
    """barcode: up to 32 characters. kind: one of KINDS. density: the code it was written with. capacity, segment: in
    bytes. salt: 8 bytes, in hexadecimal digits; a secret of the file, as who knows it can write data that passes for
    records. serial: what initiators are told. made: seconds since the epoch. attributes: what hosts keep, by
    partition and by four hexadecimal digits: format and value (base64). loads: how often it was in a drive. protected:
    its write-protect switch. available: bytes of capacity that may be used (SET CAPACITY); 0: all.
    written, fetched: bytes of blocks, since it was made. drives: the last ones that it was in, the latest first.
    unwritten, unread: commands that met an error of it, since it was made."""

    barcode: str
    kind: str
    density: int
    capacity: int
    segment: int
    salt: str
    made: int
    partitions: list[Extent]
    serial: str = ""
    attributes: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)
    loads: int = 0
    protected: bool = False
    available: int = 0
    written: int = 0
    fetched: int = 0
    drives: list[str] = field(default_factory=list)
    unwritten: int = 0
    unread: int = 0


def encode(label: Label, sequence: int) -> bytes:
    """A slot's contents. Raises ENOSPC when it would not fit."""
    body = json.dumps({"version": VERSION, **asdict(label)}, separators=(",", ":")).encode()
    if _HEAD.size + len(body) > SLOT:
        raise OSError(errno.ENOSPC, "the cartridge's label is full")
    head = _HEAD.pack(_MAGIC, sequence, len(body), 0)
    return head[:-4] + crc32c(body, crc32c(head[:-4])).to_bytes(4, "little") + body


def decode(slot: bytes) -> tuple[int, Label] | None:
    """Sequence and label; None: nothing intact is there. Raises ValueError for another version."""
    magic, sequence, length, check = _HEAD.unpack_from(slot)
    body = slot[_HEAD.size : _HEAD.size + length]
    if magic.rstrip(b"\0") != _MAGIC or check != crc32c(body, crc32c(slot[: _HEAD.size - 4])):
        return None
    data: dict[str, Any] = json.loads(body)
    version = data.pop("version")
    if version != VERSION:
        raise ValueError(f"it has format {version}, and only {VERSION} is known")
    extents = [Extent(**extent) for extent in data.pop("partitions")]
    label = Label(**data, partitions=extents)
    _check(label)
    return sequence, label


def _check(label: Label) -> None:
    """Raises ValueError for what was never written by us: a file may come from anywhere."""
    numbers = [label.density, label.capacity, label.segment, label.loads, label.made, label.available]
    numbers += [label.written, label.fetched, label.unwritten, label.unread]
    segments: list[int] = []
    for extent in label.partitions:
        numbers += [extent.capacity, extent.epoch, extent.end, extent.objects, extent.filemarks, extent.sealed]
        numbers += [*extent.pages, *extent.owed]
        segments += extent.segments
    if not all(type(number) is int and 0 <= number < 1 << 64 for number in numbers + segments):
        raise ValueError("a number is none, or out of range")
    if len(set(segments)) < len(segments) or any(number >= MOST_SEGMENTS for number in segments):
        raise ValueError("its segments are not disjoint")
    if label.available > label.capacity or label.density > 0xFF or label.loads >= 1 << 32 or label.made > _LAST_TIME:
        raise ValueError("a number is too large")
    if not 0 < label.segment <= _LONGEST_SEGMENT:
        raise ValueError("its segments are of no size that can be")
    if len(label.drives) > MOST_DRIVES or not all(isinstance(drive, str) for drive in label.drives):
        raise ValueError("it was in drives that are none")
    if not 1 <= len(label.partitions) <= MOST_PARTITIONS or len(bytes.fromhex(label.salt)) != _SALT:
        raise ValueError("it says nothing that a cartridge can be")
    switch: object = label.protected
    if label.kind not in KINDS or not isinstance(switch, bool) or not _is_name(label.barcode, MOST_BARCODE):
        raise ValueError("it says nothing that a cartridge can be")
    if label.serial != "" and not _is_name(label.serial, MOST_BARCODE):
        raise ValueError("its serial number is none")
    for number, extent in enumerate(label.partitions):
        _check_extent(extent, label.segment)
        for attribute, (kind, value) in attributes(label, number).items():
            if type(kind) is not int or not 0 <= kind <= 3 or len(value) > 0xFFFF or not 0 <= attribute <= 0xFFFF:
                raise ValueError("an attribute is none")


def _check_extent(extent: Extent, segment: int) -> None:
    if extent.owed and (len(extent.owed) != 3 or not 0 < extent.owed[2] < 1 << 24):
        raise ValueError("it owes what no filemarks can be")
    if extent.end > len(extent.segments) * segment or extent.epoch >= 1 << 32 or not extent.capacity:
        raise ValueError("a partition is larger than the space that it has")


def _is_name(name: object, most: int) -> bool:
    return isinstance(name, str) and 0 < len(name) <= most and name.isascii() and name.isprintable()


def read(fd: int, path: str) -> tuple[int, Label]:
    """The newest intact label. Raises MediumError."""
    if os.fstat(fd).st_size < DATA:
        raise MediumError(errno.EINVAL, f"{path} is no cartridge: it is too short", ADVICE)
    slots = [_slot(fd, at) for at in (0, SLOT)]
    try:
        found = [each for slot in slots if (each := decode(slot)) is not None]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as trouble:
        raise MediumError(errno.EINVAL, f"{path}: its label cannot be understood: {trouble}", ADVICE) from trouble
    if not found:
        what = "both copies of its label are damaged" if any(_MAGIC in slot for slot in slots) else "it has no label"
        raise MediumError(errno.EINVAL, f"{path} is no cartridge: {what}", ADVICE)
    return max(found, key=lambda slot: slot[0])


def _slot(fd: int, at: int) -> bytes:
    """As much of a slot as its head says that there is: a library has thousands of labels to look at."""
    slot = bytearray(_USUAL)
    read_fully(fd, at, memoryview(slot))
    length = min(_HEAD.size + int(_HEAD.unpack_from(slot)[2]), SLOT)
    if length > _USUAL:
        slot += bytes(length - _USUAL)
        read_fully(fd, at + _USUAL, memoryview(slot)[_USUAL:])
    return bytes(slot)


def write(fd: int, label: Label, sequence: int) -> None:
    """Durable on return."""
    write_fully(fd, (sequence & 1) * SLOT, encode(label, sequence), 0)
    os.fdatasync(fd)


ADVICE = "name a file that `tgtctl medium create tape` has made, or restore it from a backup"


def attributes(label: Label, partition: int) -> dict[int, tuple[int, bytes]]:
    """What hosts keep: format and value, by attribute identifier."""
    kept = label.attributes.get(str(partition), {})
    return {int(number, 16): (kind, base64.b64decode(value)) for number, (kind, value) in kept.items()}


def set_attributes(label: Label, partition: int, changes: Mapping[int, tuple[int, bytes]]) -> None:
    """An empty value takes an attribute away. Another thread may be reading them meanwhile."""
    kept = dict(label.attributes.get(str(partition), {}))
    for number, (kind, value) in changes.items():
        if value:
            kept[f"{number:04x}"] = (kind, base64.b64encode(value).decode())
        else:
            kept.pop(f"{number:04x}", None)
    label.attributes = {**label.attributes, str(partition): kept}
