"""READ BUFFER and WRITE BUFFER: a small data buffer, an echo buffer for each I_T nexus, the error history
(SPC-5 6.18, 6.19, 6.49). Microcode comes from the distribution: no mode that downloads it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.sense import (
    COMMAND_SEQUENCE_ERROR,
    ECHO_BUFFER_OVERWRITTEN,
    GOOD,
    INVALID_FIELD_IN_CDB,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.spc.unit import PrimaryUnit

CAPACITY = 4096
"""Bytes of the data buffer, and of each echo buffer: the most that its descriptor can say."""
MOST_ECHOES = 8
"""I_T nexuses whose echo one unit keeps; the oldest gives way."""

_DATA, _DESCRIPTOR, _ECHO, _ECHO_DESCRIPTOR, _ERROR_HISTORY = 0x02, 0x03, 0x0A, 0x0B, 0x1C
_EBOS = 0x01


class Buffers:
    """What WRITE BUFFER has left; nothing until then."""

    def __init__(self) -> None:
        self.data: bytearray | None = None
        self._echoes: dict[LunNexus, bytes | None] = {}  # None: given way to another nexus

    def write(self, offset: int, data: bytes) -> None:
        if self.data is None:
            self.data = bytearray(CAPACITY)
        self.data[offset : offset + len(data)] = data

    def put_echo(self, itl: LunNexus, data: bytes) -> None:
        self._echoes.pop(itl, None)
        kept = [other for other, echo in self._echoes.items() if echo is not None]
        if len(kept) >= MOST_ECHOES:
            self._echoes[kept[0]] = None
        self._echoes[itl] = data

    def echo(self, itl: LunNexus) -> bytes:
        """Raises COMMAND SEQUENCE ERROR when the nexus has written nothing, ECHO BUFFER OVERWRITTEN when it is gone."""
        if itl not in self._echoes:
            raise CheckCondition(COMMAND_SEQUENCE_ERROR)
        echo = self._echoes[itl]
        if echo is None:
            raise CheckCondition(ECHO_BUFFER_OVERWRITTEN)
        return echo

    def lose(self, itl: LunNexus) -> None:
        """The I_T_L nexus is gone."""
        self._echoes.pop(itl, None)

    def clear(self) -> None:
        """A reset."""
        self.data = None
        self._echoes.clear()


def read_buffer_10(unit: PrimaryUnit, task: Task) -> int:
    """READ BUFFER(10)."""
    cdb = task.cdb
    return _read(unit, task, cdb[2], 2, int.from_bytes(cdb[3:6], "big"), 3, int.from_bytes(cdb[6:9], "big"))


def read_buffer_16(unit: PrimaryUnit, task: Task) -> int:
    """READ BUFFER(16)."""
    cdb = task.cdb
    return _read(unit, task, cdb[14], 14, int.from_bytes(cdb[2:10], "big"), 2, int.from_bytes(cdb[10:14], "big"))


def _read(unit: PrimaryUnit, task: Task, buffer: int, buffer_at: int, offset: int, offset_at: int, room: int) -> int:
    """buffer_at, offset_at: the bytes of BUFFER ID and BUFFER OFFSET in the CDB."""
    mode = task.cdb[1] & 0x1F
    records = unit.records
    if mode == _ERROR_HISTORY:
        task.data_in = records.history.read(unit, task.itl, buffer, buffer_at, offset, offset_at)[:room]
    elif mode == _ECHO:
        task.data_in = records.buffers.echo(task.itl)[:room]
    elif mode == _DATA:
        if buffer:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=buffer_at, bit=7)
        if offset > CAPACITY:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=offset_at, bit=7)
        task.data_in = bytes(records.buffers.data or bytes(CAPACITY))[offset:][:room]
    elif mode in (_DESCRIPTOR, _ECHO_DESCRIPTOR):
        if offset:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=offset_at, bit=7)
        task.data_in = _describe(mode, buffer)[:room]
    else:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
    return GOOD


def _describe(mode: int, buffer: int) -> bytes:
    """A buffer that is not there has a descriptor of zeros (SPC-5 6.18.5)."""
    if mode == _ECHO_DESCRIPTOR:
        return bytes((_EBOS, 0)) + CAPACITY.to_bytes(2, "big")
    return bytes(4) if buffer else CAPACITY.to_bytes(4, "big")


def wanted(unit: PrimaryUnit, cdb: bytes) -> int:
    """Bytes of data-out. Raises for what will be refused."""
    mode, offset, length = cdb[1] & 0x1F, int.from_bytes(cdb[3:6], "big"), int.from_bytes(cdb[6:9], "big")
    if mode not in (_DATA, _ECHO):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
    if mode == _ECHO:
        offset = 0
    elif cdb[2]:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    if offset > CAPACITY:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=7)
    if offset + length > CAPACITY:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=6, bit=7)
    return length


def write_buffer(unit: PrimaryUnit, task: Task) -> int:
    """WRITE BUFFER."""
    cdb = task.cdb
    length = wanted(unit, cdb)
    data = bytes(task.data_out or b"")
    if len(data) < length:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    if cdb[1] & 0x1F == _ECHO:
        unit.records.buffers.put_echo(task.itl, data)
    elif length:
        unit.records.buffers.write(int.from_bytes(cdb[3:6], "big"), data)
    return GOOD


BUFFERS = (
    Command(
        0x3C,
        "READ BUFFER(10)",
        read_buffer_10,
        bytes.fromhex("3C 1F FF FFFFFF FFFFFF 04"),
        reservation="read",
    ),
    Command(
        0x9B,
        "READ BUFFER(16)",
        read_buffer_16,
        bytes.fromhex("9B 1F FFFFFFFFFFFFFFFF FFFFFFFF FF 04"),
        reservation="read",
    ),
    Command(0x3B, "WRITE BUFFER", write_buffer, bytes.fromhex("3B 1F FF FFFFFF FFFFFF 04"), data_out=wanted),
)
