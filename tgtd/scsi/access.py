"""Asymmetric logical unit access: the ports by which a unit is reached, and how well (SPC-5 5.17).

A target has target port groups; here a group is one port, as an iSCSI portal group is one SCSI target port (RFC 7143
4.4.1), so that tag, relative target port identifier and target port group are one number. A unit that several targets
offer belongs to one SCSI device with the ports of all of them: their numbers must not repeat, which is for those who
configure targets to see to. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.sense import (
    ACCESS_STATE_TRANSITION,
    ASYMMETRIC_ACCESS_STATE_CHANGED,
    INQUIRY_DATA_CHANGED,
    LOGICAL_UNIT_OFFLINE,
    PORT_IN_STANDBY,
    PORT_UNAVAILABLE,
    CheckCondition,
    Sense,
)

if TYPE_CHECKING:
    from tgtd.scsi.command import Command
    from tgtd.scsi.lun import LogicalUnit
    from tgtd.scsi.nexus import Nexus
    from tgtd.scsi.target import Target

OperationKey = tuple[int, int | None]
"""Operation code and service action of a row."""

_EVERYWHERE: frozenset[OperationKey] = frozenset(
    {
        (0x03, None),  # REQUEST SENSE
        (0x12, None),  # INQUIRY
        (0xA0, None),  # REPORT LUNS
        (0xA3, 0x0A),  # REPORT TARGET PORT GROUPS
        (0xA4, 0x0A),  # SET TARGET PORT GROUPS
    }
)
_IN_STANDBY = _EVERYWHERE | {
    (0x4C, None),  # LOG SELECT
    (0x4D, None),  # LOG SENSE
    (0x15, None),  # MODE SELECT
    (0x55, None),
    (0x1A, None),  # MODE SENSE
    (0x5A, None),
    (0x1C, None),  # RECEIVE DIAGNOSTIC RESULTS
    (0x1D, None),  # SEND DIAGNOSTIC
    (0x25, None),  # READ CAPACITY, which SPC-5 does not ask for: Linux sizes a path by it when the path appears
    (0x9E, 0x10),
}
_RESERVING = frozenset({0x5E, 0x5F})
"""PERSISTENT RESERVE IN and OUT, of any service action: they work in standby."""
_BUFFERS, _ECHO = frozenset({0x3B, 0x3C}), frozenset({0x0A, 0x0B})
"""WRITE BUFFER and READ BUFFER work everywhere in their echo modes."""


class AccessState(NamedTuple):
    """A target port asymmetric access state (SPC-5 5.17.2.4). refusal: what other commands than `admits` end with;
    None: all commands work. settable: SET TARGET PORT GROUPS may ask for it. absent: INQUIRY says that nothing is
    connected there (peripheral qualifier 001b)."""

    code: int
    name: str
    refusal: Sense | None = None
    admits: frozenset[OperationKey] = frozenset()
    settable: bool = True
    absent: bool = False

    def demand(self, row: Command, cdb: bytes) -> None:
        """Raises CheckCondition for a command that does not work in this state."""
        if self.refusal is None or (row.opcode, row.action) in self.admits:
            return
        if row.opcode in _RESERVING and self.code == STANDBY:
            return
        if row.opcode in _BUFFERS and cdb[1] & 0x1F in _ECHO:
            return
        raise CheckCondition(self.refusal)


OPTIMIZED, NON_OPTIMIZED, STANDBY, UNAVAILABLE, OFFLINE, TRANSITIONING = 0x0, 0x1, 0x2, 0x3, 0xE, 0xF

STATES = {
    row.code: row
    for row in (
        AccessState(OPTIMIZED, "active/optimized"),
        AccessState(NON_OPTIMIZED, "active/non-optimized"),
        AccessState(STANDBY, "standby", PORT_IN_STANDBY, _IN_STANDBY),
        AccessState(UNAVAILABLE, "unavailable", PORT_UNAVAILABLE, _EVERYWHERE, absent=True),
        AccessState(OFFLINE, "offline", LOGICAL_UNIT_OFFLINE, _EVERYWHERE, settable=False),
        AccessState(TRANSITIONING, "transitioning", ACCESS_STATE_TRANSITION, _EVERYWHERE, settable=False),
    )
}
"""By code. Logical block dependent is not among them: all blocks are reached alike."""

STATE_NAMES = {row.name: row for row in STATES.values()}

_IMPLICIT, _EXPLICIT = 0b01, 0b10

UNALTERED, ALTERED_BY_COMMAND, ALTERED_IMPLICITLY = range(3)
"""STATUS CODE of REPORT TARGET PORT GROUPS (SPC-5 6.36)."""


@dataclass(frozen=True, slots=True)
class PortGroup:
    """A target port group of a target, with its one port. number: 1 to 65535. state: as declared. preferred: PREF.
    explicit: initiators may change its state."""

    number: int
    state: AccessState = STATES[OPTIMIZED]
    preferred: bool = False
    explicit: bool = False


PLAIN = (PortGroup(1),)
"""The ports of a target whose groups nobody has declared."""


class Standing(NamedTuple):
    """A port group as it is for one unit now. status: by whom its state came."""

    target: Target
    group: PortGroup
    state: AccessState
    status: int


class AsymmetricAccess:
    """The ports of one unit. homes: the targets that offer it.

    What SET TARGET PORT GROUPS sets holds until the declared state of the group is edited, or the daemon ends.
    """

    def __init__(self, unit: LogicalUnit) -> None:
        self.homes: dict[Target, None] = {}
        self._unit = unit
        self._set: dict[int, AccessState] = {}
        self._edited: set[int] = set()
        self._advertised = 0

    @property
    def tpgs(self) -> int:
        """TPGS of standard INQUIRY data (SPC-5 6.6.2); 0: all ports are alike, and nobody said otherwise."""
        if len(self.homes) < 2 and not any(home.grouped for home in self.homes):
            return 0
        explicit = any(group.explicit for home in self.homes for group in home.groups)
        return _IMPLICIT | (_EXPLICIT if explicit else 0)

    @property
    def ports(self) -> tuple[int, ...]:
        """Relative target port identifiers of all ports of the device, in ascending order."""
        return tuple(sorted(group.number for home in self.homes for group in home.groups))

    def standings(self) -> list[Standing]:
        """All groups, by number."""
        found = [self._standing(home, group) for home in self.homes for group in home.groups]
        return sorted(found, key=lambda one: one.group.number)

    def _standing(self, home: Target, group: PortGroup) -> Standing:
        chosen = self._set.get(group.number)
        if chosen is not None:
            return Standing(home, group, chosen, ALTERED_BY_COMMAND)
        status = ALTERED_IMPLICITLY if group.number in self._edited else UNALTERED
        return Standing(home, group, group.state, status)

    def state(self, nexus: Nexus) -> AccessState:
        """In what state the port of an I_T nexus is."""
        chosen = self._set.get(nexus.relative_port)
        if chosen is not None:
            return chosen
        for group in nexus.target.groups:
            if group.number == nexus.relative_port:
                return group.state
        return STATES[OPTIMIZED]

    def hampering(self, nexus: Nexus) -> AccessState | None:
        """The state of the nexus's port, if it stops any command."""
        state = self.state(nexus)
        return None if state.refusal is None else state

    def set(self, states: Mapping[int, AccessState], by: Nexus) -> None:
        """SET TARGET PORT GROUPS: state by group. Everybody else hears of a change (SPC-5 5.17.2.6)."""
        now = {one.group.number: one.state for one in self.standings()}
        changed = {number: state for number, state in states.items() if now[number] is not state}
        if changed:
            self._set.update(changed)
            self._unit.regate_all()
            self._unit.attend_all(ASYMMETRIC_ACCESS_STATE_CHANGED, but=by)

    def join(self, home: Target) -> None:
        """One more target offers the unit."""
        self.homes[home] = None
        self._changed()

    def leave(self, home: Target) -> None:
        """A target offers it no longer."""
        self.homes.pop(home, None)
        for group in home.groups:
            self._set.pop(group.number, None)
            self._edited.discard(group.number)
        self._changed()

    def redeclared(self, old: tuple[PortGroup, ...], new: tuple[PortGroup, ...]) -> None:
        """The groups of one of its targets were edited: what changed there counts from now on."""
        before = {group.number: group.state for group in old}
        after = {group.number: group.state for group in new}
        for number in before.keys() | after.keys():
            if before.get(number) is not after.get(number):
                self._set.pop(number, None)
                (self._edited.add if number in before and number in after else self._edited.discard)(number)
        self._changed()

    def _changed(self) -> None:
        unit, tpgs = self._unit, self.tpgs
        if tpgs != self._advertised:
            self._advertised = tpgs
            unit.refresh_commands()
            unit.attend_all(INQUIRY_DATA_CHANGED)
        unit.regate_all()
        if tpgs:
            unit.attend_all(ASYMMETRIC_ACCESS_STATE_CHANGED)
