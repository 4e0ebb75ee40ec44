"""MOVE MEDIUM, EXCHANGE MEDIUM, POSITION TO ELEMENT, OPEN/CLOSE IMPORT/EXPORT ELEMENT, PREVENT ALLOW (SMC-3 6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, MEDIUM_REMOVAL_PREVENTED, CheckCondition
from tgtd.scsi.smc.change import Bay, Change
from tgtd.scsi.smc.inventory import Inventory, Kind, Resting, checked
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.spc.removal import prevent_allow
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.smc.changer import Changer

_RESTING = (Kind.STORAGE, Kind.PORT, Kind.DRIVE)


def _transport(changer: Changer, cdb: bytes) -> None:
    """The address of the robot; 0 means the usual one."""
    address = int.from_bytes(cdb[2:4], "big")
    if address:
        checked(changer.layout, address, Kind.TRANSPORT)


def _element(changer: Changer, cdb: bytes, at: int) -> int:
    return checked(changer.layout, int.from_bytes(cdb[at : at + 2], "big"), *_RESTING)


def move_medium(changer: Changer, task: Task) -> int:
    """MOVE MEDIUM."""
    cdb = task.cdb
    _transport(changer, cdb)
    source, destination = _element(changer, cdb, 4), _element(changer, cdb, 6)

    return changer.change_inventory(task, partial(moving, changer, source, destination))


def moving(changer: Changer, source: int, destination: int) -> Change:
    """A volume from one element to another. Raises CheckCondition."""
    after = changer.inventory.moved(changer.layout, source, destination)
    if source == destination:
        return Change(changer, changer.inventory, (), ())
    return _change(changer, after, {source: destination})


def exchange_medium(changer: Changer, task: Task) -> int:
    """EXCHANGE MEDIUM."""
    cdb = task.cdb
    _transport(changer, cdb)
    source, first, second = (_element(changer, cdb, at) for at in (4, 6, 8))
    if first in (source, second):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=6, bit=7)

    def plan() -> Change:
        after = changer.inventory.exchanged(changer.layout, source, first, second)
        return _change(changer, after, {source: first, first: second})

    return changer.change_inventory(task, plan)


def _change(changer: Changer, after: Inventory, moves: dict[int, int]) -> Change:
    """moves: from which element to which. Raises when a drive does not give or take now, or a port is locked."""
    releases: list[tuple[Bay, Resting | None]] = []
    accepts: list[tuple[Bay, Resting]] = []
    for source, destination in moves.items():
        volume = after.at(destination)
        assert volume is not None
        if changer.layout.kind(destination) is Kind.PORT and changer.preventing:
            raise CheckCondition(MEDIUM_REMOVAL_PREVENTED)
        if (bay := changer.bays.get(source)) is not None:
            bay.check(leaving=True)
            releases.append((bay, changer.inventory.at(source)))
        if (bay := changer.bays.get(destination)) is not None:
            bay.check(leaving=destination in moves)
            accepts.append((bay, volume))
    return Change(changer, after, releases, accepts)


def position_to_element(changer: Changer, task: Task) -> int:
    """POSITION TO ELEMENT: the robot is everywhere at once."""
    _transport(changer, task.cdb)
    checked(changer.layout, int.from_bytes(task.cdb[4:6], "big"), *_RESTING)
    return GOOD


def open_close(changer: Changer, task: Task) -> int:
    """OPEN/CLOSE IMPORT/EXPORT ELEMENT: opened, it is the operator's; there is no door that would stand open."""
    checked(changer.layout, int.from_bytes(task.cdb[2:4], "big"), Kind.PORT)
    action = task.cdb[4] & 0x1F
    if action > 1:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=4, bit=4)
    if action == 0 and changer.preventing:
        raise CheckCondition(MEDIUM_REMOVAL_PREVENTED)
    return GOOD


MOVES = (
    Command(0xA5, "MOVE MEDIUM", move_medium, usage("A5 00 FFFF FFFF FFFF 0000 00 04"), medium=True, timeout=600),
    Command(
        0xA6, "EXCHANGE MEDIUM", exchange_medium, usage("A6 00 FFFF FFFF FFFF FFFF 00 04"), medium=True, timeout=600
    ),
    Command(
        0x2B, "POSITION TO ELEMENT", position_to_element, usage("2B 00 FFFF FFFF 0000 00 04"), medium=True, timeout=600
    ),
    Command(0x1B, "OPEN/CLOSE IMPORT/EXPORT ELEMENT", open_close, usage("1B 00 FFFF 1F 04"), medium=True, timeout=600),
    Command(0x1E, "PREVENT ALLOW MEDIUM REMOVAL", prevent_allow, usage("1E 00 0000 01 04")),
)
