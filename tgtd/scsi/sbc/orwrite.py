"""ORWRITE (16), (32): bits are set in a bitmap, or cleared with a change of generation (SBC-4 4.27, 5.10, 5.11)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.command import Command
from tgtd.scsi.medium import BlockMedium, Buffer
from tgtd.scsi.sbc.address import extent
from tgtd.scsi.sbc.write import FUA, exact, wanted
from tgtd.scsi.sense import GENERATION_DOES_NOT_MATCH, INVALID_FIELD_IN_CDB, CheckCondition
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

MOST_ORED = 4 << 20
"""Bytes of one ORWRITE."""
ORWRITE_32 = 0x0E

_SET, _CLEAR = range(2)  # BMOP
_PERFORM, _DISCARD, _REFUSE = range(3)
_POLICIES = {
    0x0: (_PERFORM, _PERFORM, _REFUSE),
    0x2: (_PERFORM, _DISCARD, _REFUSE),
    0x3: (_PERFORM, _PERFORM, _PERFORM),
    0x5: (_PERFORM, _DISCARD, _DISCARD),
    0x7: (_PERFORM, _REFUSE, _REFUSE),
}
"""What becomes of a set operation that expects the current generation, the previous one, or any other (table 29)."""
_AT_FIRST = 0x7


class Bitwise(NamedTuple):
    """The operation that one command asks for. clears: AND, and with it a new generation and policy; else OR."""

    clears: bool = False
    expected: int = 0
    generation: int = 0
    policy: int = 0

    def merge(self, found: Buffer, sent: Buffer) -> bytes:
        """Both of one length."""
        one, other = int.from_bytes(found, "little"), int.from_bytes(sent, "little")
        return (one & other if self.clears else one | other).to_bytes(len(found), "little")


@dataclass(slots=True)
class Generations:
    """The ORWgeneration codes and the policy, as they are after power on; a logical unit reset does not change them.

    Read and changed by who has the disk to itself (`Disk.defer_alone`), and so by a worker.
    """

    current: int = 0
    previous: int = 0
    policy: int = _AT_FIRST

    def admit(self, wish: Bitwise) -> bool:
        """Whether it is performed; false: nothing is done. Raises ORWRITE GENERATION DOES NOT MATCH."""
        if wish.expected == self.current:
            return True
        verdict = _POLICIES[self.policy][1 if wish.expected == self.previous else 2]
        if wish.clears or verdict == _REFUSE:
            raise CheckCondition(GENERATION_DOES_NOT_MATCH)
        return verdict == _PERFORM

    def performed(self, wish: Bitwise) -> None:
        """What was cleared begins a generation."""
        if wish.clears:
            self.policy, self.previous, self.current = wish.policy, self.current, wish.generation


def bitwise(cdb: bytes) -> Bitwise:
    """What an ORWRITE asks for: the shorter one is a set operation that expects generation 0. Raises INVALID FIELD IN
    CDB for reserved values."""
    if cdb[0] == 0x8B:
        return Bitwise()
    operation, policy = cdb[2], cdb[3]
    if operation not in (_SET, _CLEAR):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=2)
    if operation == _CLEAR and policy not in _POLICIES:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=3)
    codes = int.from_bytes(cdb[20:24], "big"), int.from_bytes(cdb[24:28], "big")
    return Bitwise(operation == _CLEAR, *codes, policy)


def orwrite(disk: Disk, task: Task) -> int:
    """ORWRITE: no other command sees or changes anything in between."""
    wish = bitwise(task.cdb)
    lba, count, field = extent(task.cdb)
    disk.check(lba, count, field)
    if count << disk.shift > MOST_ORED:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=field)
    data = exact(task, count << disk.shift)
    disk.counters.writes += 1
    disk.counters.write_bytes += len(data)
    durable = bool(task.cdb[1 if task.cdb[0] == 0x8B else 10] & FUA) or not disk.write_cache
    work = partial(_merge, disk.generations, wish, disk.store(), lba << disk.shift, data, durable)
    return disk.defer_alone(task, work, writing=True)


def _merge(
    generations: Generations, wish: Bitwise, medium: BlockMedium, offset: int, data: memoryview, durable: bool
) -> None:
    if not generations.admit(wish):
        return
    if data:
        found = memoryview(bytearray(len(data)))
        medium.read(offset, found)
        medium.write(offset, wish.merge(found, data), durable)
    generations.performed(wish)


def _row(opcode: int, name: str, mask: str, action: int | None = None) -> Command:
    return Command(
        opcode,
        name,
        orwrite,
        usage(mask),
        action=action,
        data_out=wanted,
        medium=True,
        writes=True,
        reservation="write",
    )


ORWRITE = (
    _row(0x8B, "ORWRITE(16)", "8B 18 FFFFFFFFFFFFFFFF FFFFFFFF 3F 04"),
    _row(
        0x7F,
        "ORWRITE(32)",
        f"7F 04 07 0F 0000 3F 18 {ORWRITE_32:04X} 18 00 FFFFFFFFFFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF",
        ORWRITE_32,
    ),
)
