"""How FORMAT UNIT gives a disk its protection type (SBC-4 5.4.1, table 44), and what of that outlives the process.

Kept under NAME: the type, what the administrator had declared by then, and the block length, as three numbers in text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.layer import bottom, consult
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sbc.flaws import FlawedMedium
from tgtd.scsi.sbc.operation import Pass
from tgtd.scsi.sbc.protection.medium import ProtectedMedium
from tgtd.scsi.sense import (
    CAPACITY_DATA_CHANGED,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    CheckCondition,
)

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

NAME = "protection"
_NONE, _TYPE_1, _OTHERS = 0, 2, 3


class Formatted(NamedTuple):
    """What a disk is formatted with: kind, the protection type; declared: by the configuration when it was decided."""

    kind: int
    declared: int
    block_size: int

    def encode(self) -> bytes:
        return b"%d %d %d" % self

    @classmethod
    def decode(cls, value: bytes | None) -> Formatted | None:
        """None: nothing was kept, or nothing that makes sense."""
        try:
            kind, declared, block_size = map(int, (value or b"").split())
        except ValueError:
            return None
        return cls(kind, declared, block_size) if kind in range(4) else None


def requested(cdb: bytes, field_usage: int) -> int:
    """The protection type of FMTPINFO and PROTECTION FIELD USAGE."""
    information = cdb[1] >> 6
    if information not in (_NONE, _TYPE_1, _OTHERS):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=7)
    if field_usage > (information == _OTHERS):
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=0, bit=2)
    return {_NONE: 0, _TYPE_1: 1, _OTHERS: 2 + field_usage}[information]


def bared(work: Pass, verb: str) -> Pass:
    """The same pass on the data alone: what is beside them is forgotten by a pass of its own. verb: what it does, as
    the layers of the medium are to see it."""

    def without(medium: BlockMedium, offset: int, length: int) -> None:
        found = _guarded(medium)
        if found is None:
            work(medium, offset, length)
            return
        consult(medium, verb, offset, length)
        work(found.medium, offset, length)
        if isinstance(medium, FlawedMedium):
            medium.heal(offset, length)

    return without


def forget(medium: BlockMedium, offset: int, length: int) -> None:
    """A pass after which no block has protection information: FFh, not checked (SBC-4 5.4.1)."""
    found = _guarded(medium)
    assert found is not None
    consult(medium, "zero", offset, length)
    found.forget(offset, length)


def _guarded(medium: BlockMedium) -> ProtectedMedium | None:
    store = bottom(medium)
    return store if isinstance(store, ProtectedMedium) else None


def reformat(disk: Disk, kind: int, then: Callable[[BaseException | None], None], error: BaseException | None) -> None:
    """The passes are through: the disk has its type as soon as that is remembered; the others hear of it."""
    guarded = disk.guarded
    if error is not None or guarded is None:
        then(error)
        return
    value = Formatted(kind, guarded.declared, disk.block_size)

    def kept(trouble: BaseException | None) -> None:
        if trouble is None and disk.guarded is guarded and guarded.kind != kind:
            guarded.become(kind)
            then(None)
            disk.attend_all(CAPACITY_DATA_CHANGED)
        else:
            then(trouble)

    disk.records.keeper.hold(NAME, value.encode(), kept)
