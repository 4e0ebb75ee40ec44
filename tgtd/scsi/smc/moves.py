"""MOVE MEDIUM, EXCHANGE MEDIUM, POSITION TO ELEMENT, OPEN/CLOSE IMPORT/EXPORT ELEMENT, PREVENT ALLOW (SMC-3 6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, MEDIUM_REMOVAL_PREVENTED, CheckCondition
from tgtd.scsi.smc.change import Bay, Change
from tgtd.scsi.smc.inventory import ElementType, Inventory, Resting, checked
from tgtd.scsi.smc.reservations import demand
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.spc.removal import prevent_allow
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.smc.changer import Changer

_RESTING = (ElementType.STORAGE, ElementType.PORT, ElementType.DRIVE)


def _transport(changer: Changer, cdb: bytes) -> int:
    """The address of the robot; 0 means the usual one."""
    address = int.from_bytes(cdb[2:4], "big")
    return checked(changer.layout, address or changer.layout.transport.first, ElementType.TRANSPORT)


def _element(changer: Changer, cdb: bytes, at: int) -> int:
    return checked(changer.layout, int.from_bytes(cdb[at : at + 2], "big"), *_RESTING)


def move_medium(changer: Changer, task: Task) -> int:
    """MOVE MEDIUM."""
    cdb = task.cdb
    robot, source, destination = _transport(changer, cdb), _element(changer, cdb, 4), _element(changer, cdb, 6)
    claim = partial(demand, changer, task.itl, robot, source, destination)
    claim()

    def plan() -> Change:
        claim()  # once more: it may have waited for its turn
        return moving(changer, source, destination)

    return changer.change_inventory(task, plan)


def moving(changer: Changer, source: int, destination: int) -> Change:
    """A volume from one element to another. Raises CheckCondition."""
    after = changer.inventory.moved(changer.layout, source, destination)
    if source == destination:
        return Change(changer, changer.inventory, (), ())
    return _change(changer, after, {source: destination})


def exchange_medium(changer: Changer, task: Task) -> int:
    """EXCHANGE MEDIUM."""
    cdb = task.cdb
    robot = _transport(changer, cdb)
    source, first, second = (_element(changer, cdb, at) for at in (4, 6, 8))
    if first in (source, second):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=6, bit=7)
    claim = partial(demand, changer, task.itl, robot, source, first, second)
    claim()

    def plan() -> Change:
        claim()
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
        if changer.layout.kind(destination) is ElementType.PORT and changer.preventing:
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
    demand(changer, task.itl, _transport(changer, task.cdb), _element(changer, task.cdb, 4))
    return GOOD


def open_close(changer: Changer, task: Task) -> int:
    """OPEN/CLOSE IMPORT/EXPORT ELEMENT: opened, it is the operator's; there is no door that would stand open."""
    port = checked(changer.layout, int.from_bytes(task.cdb[2:4], "big"), ElementType.PORT)
    action = task.cdb[4] & 0x1F
    if action > 1:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=4, bit=4)
    demand(changer, task.itl, port)
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
