"""The SCSI target: its logical units, their numbers, and the nexuses by which initiators see them (SAM-5 4.7.3)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

from tgtd.scsi.access import PLAIN, PortGroup
from tgtd.scsi.copy.office import CopyOffice
from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.nexus import LunNexus, Nexus
from tgtd.scsi.sense import NEXUS_LOSS, REPORTED_LUNS_CHANGED

LunMap = Mapping[int, int]
"""LUN as the initiator numbers it → LUN of the target."""


class TaskManagement(enum.Enum):
    """SAM-5 7.1: the functions."""

    ABORT_TASK = enum.auto()
    ABORT_TASK_SET = enum.auto()
    CLEAR_ACA = enum.auto()
    CLEAR_TASK_SET = enum.auto()
    LOGICAL_UNIT_RESET = enum.auto()
    I_T_NEXUS_RESET = enum.auto()
    QUERY_TASK = enum.auto()
    QUERY_TASK_SET = enum.auto()
    QUERY_ASYNCHRONOUS_EVENT = enum.auto()
    TARGET_RESET = enum.auto()


class ServiceResponse(enum.Enum):
    """SAM-5 7.1: service responses."""

    COMPLETE = enum.auto()
    SUCCEEDED = enum.auto()
    REJECTED = enum.auto()
    INCORRECT_LUN = enum.auto()


def decode_lun(field: int) -> int | None:
    """A 64-bit LUN field as a number; None for methods we do not address by (SAM-5 4.6.5 to 4.6.9).

    Peripheral device addressing (bus 0) and flat space addressing, single level.
    """
    if field & 0x0000_FFFF_FFFF_FFFF:
        return None
    first = field >> 48
    method = first >> 14
    if method == 0 and not first & 0x3F00:
        return first & 0xFF
    if method == 1:
        return first & 0x3FFF
    return None


def encode_lun(number: int) -> int:
    """The 64-bit LUN field of a number from 0 to 16383: peripheral addressing below 256, flat space above."""
    return (number if number < 256 else 0x4000 | number) << 48


class Target:
    """A target has units, some of which other targets may have too; it shares no other state with them.

    placeholder(number) makes the unit that answers where none is: for LUN 0 the controller, else "not supported".
    office: what the copy managers of its units share with those of other targets.
    """

    def __init__(self, name: str, placeholder: Callable[[int], LogicalUnit], office: CopyOffice | None = None) -> None:
        self.name = name
        self.luns: dict[int, LogicalUnit] = {}
        self.nexuses: dict[Nexus, LunMap | None] = {}
        self.groups: tuple[PortGroup, ...] = PLAIN
        """Its target port groups, of one port each; changed by `regroup`."""
        self.grouped = False
        """Somebody has declared them."""
        self.office = office or CopyOffice(lambda: (self,))
        self._controller = placeholder(0)
        self._absent = placeholder(-1)

    def connect(self, nexus: Nexus, view: LunMap | None = None) -> None:
        """A new I_T nexus; it sees all units, or those of its view."""
        self.nexuses[nexus] = view

    def disconnect(self, nexus: Nexus) -> None:
        """I_T nexus loss (SAM-5 6.3.4): its tasks are aborted, its unit attentions forgotten."""
        self.nexuses.pop(nexus, None)
        for itl in nexus.luns.values():
            itl.lu.forget(itl)
        nexus.luns.clear()

    def visible(self, nexus: Nexus) -> dict[int, LogicalUnit]:
        """The units this nexus sees, by the numbers it sees them under."""
        view = self.nexuses.get(nexus)
        if view is None:
            return self.luns
        return {seen: self.luns[number] for seen, number in view.items() if number in self.luns}

    def attach(self, nexus: Nexus, field: int) -> LunNexus:
        """The I_T_L nexus for a LUN field; one that leads nowhere is not kept, so hostile LUN fields cost nothing."""
        number = decode_lun(field)
        if number is None:
            return LunNexus(nexus, self._absent, -1)
        view = self.nexuses.get(nexus)
        inner = number if view is None else view.get(number, -1)
        unit = self.luns.get(inner)
        if unit is None:
            return LunNexus(nexus, self._controller if number == 0 else self._absent, number)
        for alias in (encode_lun(number), (0x4000 | number) << 48):
            known = nexus.luns.get(alias)
            if known is not None:
                nexus.luns[field] = known
                return known
        itl = LunNexus(nexus, unit, number)
        unit.nexuses[itl] = None
        nexus.luns[field] = itl
        return itl

    def regroup(self, groups: tuple[PortGroup, ...] | None) -> None:
        """Other target port groups, or states of them; None: the plain one. Initiators hear of it."""
        old = self.groups
        self.groups, self.grouped = groups or PLAIN, groups is not None
        for unit in self.luns.values():
            unit.access.redeclared(old, self.groups)

    def add_lun(self, number: int, unit: LogicalUnit) -> None:
        """Raises ValueError when the number is taken. Initiators hear of it through `announce`."""
        if number in self.luns:
            raise ValueError(f"LUN {number} is in use")
        self.luns[number] = unit
        unit.access.join(self)

    def remove_lun(self, number: int) -> LogicalUnit:
        """Take a unit away; the tasks that came by this target are aborted. The caller closes the medium when no other
        target offers the unit and workers are done with it."""
        unit = self.luns.pop(number)
        unit.tasks.abort([t for t in unit.tasks if t.itl.nexus.target is self], None, unit.report_aborts)
        for itl in [one for one in unit.nexuses if one.nexus.target is self]:
            unit.forget(itl)
            for field in [f for f, known in itl.nexus.luns.items() if known is itl]:
                del itl.nexus.luns[field]
        unit.access.leave(self)
        return unit

    def set_view(self, nexus: Nexus, view: LunMap | None) -> None:
        """Change what a live nexus sees."""
        self.nexuses[nexus] = view
        seen = self.visible(nexus)
        for field, itl in list(nexus.luns.items()):
            if seen.get(itl.number) is not itl.lu:
                itl.lu.forget(itl)
                del nexus.luns[field]

    def announce(self) -> None:
        """REPORTED LUNS DATA HAS CHANGED, once per nexus and unit it knows (SPC-5 6.32)."""
        for nexus in self.nexuses:
            for itl in nexus.luns.values():
                itl.attend(REPORTED_LUNS_CHANGED)

    def manage(self, function: TaskManagement, nexus: Nexus, field: int = 0, tag: int = 0) -> ServiceResponse:
        """Perform a task management function; it is done when this returns (SAM-5 7)."""
        if function is TaskManagement.TARGET_RESET:
            for unit in self.luns.values():
                unit.reset(nexus)
            return ServiceResponse.COMPLETE
        if function is TaskManagement.I_T_NEXUS_RESET:
            for itl in nexus.luns.values():
                itl.lu.lose(itl)
                itl.attend(NEXUS_LOSS)
            return ServiceResponse.COMPLETE
        itl = nexus.lun(field)
        if itl.lu is self._absent:
            return ServiceResponse.INCORRECT_LUN
        return _LUN_FUNCTIONS[function](itl, tag)


def _abort_task(itl: LunNexus, tag: int) -> ServiceResponse:
    itl.lu.abort_tasks(itl, tag)
    return ServiceResponse.COMPLETE


def _abort_task_set(itl: LunNexus, tag: int) -> ServiceResponse:
    itl.lu.abort_tasks(itl)
    return ServiceResponse.COMPLETE


def _clear_task_set(itl: LunNexus, tag: int) -> ServiceResponse:
    itl.lu.clear_tasks(itl.nexus)
    return ServiceResponse.COMPLETE


def _clear_aca(itl: LunNexus, tag: int) -> ServiceResponse:
    itl.lu.tasks.clear_aca(itl)
    return ServiceResponse.COMPLETE


def _reset(itl: LunNexus, tag: int) -> ServiceResponse:
    itl.lu.reset(itl.nexus)
    return ServiceResponse.COMPLETE


def _query_task(itl: LunNexus, tag: int) -> ServiceResponse:
    found = any(t.itl is itl and t.tag == tag for t in itl.lu.tasks)
    return ServiceResponse.SUCCEEDED if found else ServiceResponse.COMPLETE


def _query_task_set(itl: LunNexus, tag: int) -> ServiceResponse:
    found = any(t.itl is itl for t in itl.lu.tasks)
    return ServiceResponse.SUCCEEDED if found else ServiceResponse.COMPLETE


def _query_asynchronous_event(itl: LunNexus, tag: int) -> ServiceResponse:
    return ServiceResponse.SUCCEEDED if itl.attentions else ServiceResponse.COMPLETE


_LUN_FUNCTIONS: dict[TaskManagement, Callable[[LunNexus, int], ServiceResponse]] = {
    TaskManagement.ABORT_TASK: _abort_task,
    TaskManagement.ABORT_TASK_SET: _abort_task_set,
    TaskManagement.CLEAR_ACA: _clear_aca,
    TaskManagement.CLEAR_TASK_SET: _clear_task_set,
    TaskManagement.LOGICAL_UNIT_RESET: _reset,
    TaskManagement.QUERY_TASK: _query_task,
    TaskManagement.QUERY_TASK_SET: _query_task_set,
    TaskManagement.QUERY_ASYNCHRONOUS_EVENT: _query_asynchronous_event,
}
