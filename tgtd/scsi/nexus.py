"""Nexuses: an initiator port's relation to a target (I_T) and to one of its logical units (I_T_L) (SAM-5 4.7, 5.1).

Unit attentions wait per I_T_L nexus. An I_T_L nexus comes to be with the first command that needs it, so that a
thousand sessions and ten thousand units do not make ten million objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tgtd.scsi.access import AccessState
from tgtd.scsi.command import Command
from tgtd.scsi.reservation.state import Registrant
from tgtd.scsi.reservation.types import NOTHING
from tgtd.scsi.sense import POWER_ON, RESERVATION_CONFLICT, CheckCondition, Refused, Sense
from tgtd.scsi.task import SIMPLE, Task

if TYPE_CHECKING:
    from tgtd.scsi.lun import LogicalUnit
    from tgtd.scsi.target import Target


class Nexus:
    """An I_T nexus. Transports make one per session and pass it to Target.connect and Target.disconnect.

    initiator: the initiator's name. port: the initiator port's name, unique to the I_T nexus's initiator side
    (iSCSI: "iqn…,i,0x<ISID>"). transport_id: SPC-5 7.6.4 TransportID. relative_port: relative target port identifier.
    credentials: equal for nexuses of one initiator that has proven so in the same way; None: nothing is proven. A copy
    may go from what one of them sees to what another sees (scsi.copy.office).
    """

    __slots__ = (
        "buffered",
        "credentials",
        "initiator",
        "luns",
        "port",
        "registrant",
        "relative_port",
        "simple",
        "target",
        "transport_id",
    )

    def __init__(self, target: Target, initiator: str, port: str, transport_id: bytes, relative_port: int = 1) -> None:
        self.target = target
        self.initiator = initiator
        self.port = port
        self.transport_id = transport_id
        self.relative_port = relative_port
        self.credentials: object = None
        self.simple = False
        """Its transport hands no task attributes over, and of task management no more than ABORT TASK and LOGICAL UNIT
        RESET: commands are SIMPLE, and there is no ACA, which nobody could clear."""
        self.buffered = 0
        """Bytes of pooled buffers that its tasks hold."""
        self.luns: dict[int, LunNexus] = {}
        """By the 64-bit LUN field as it came over the wire; filled by `lun`."""
        self.registrant = Registrant(transport_id, relative_port)

    def lun(self, field: int) -> LunNexus:
        """The I_T_L nexus for a 64-bit LUN field (SAM-5 4.6); a unit that does not exist answers for itself."""
        found = self.luns.get(field)
        return found if found is not None else self.target.attach(self, field)


class LunNexus:
    """An I_T_L nexus: what one initiator port and one logical unit know of each other."""

    __slots__ = ("access", "attentions", "barred", "gate", "lu", "nexus", "number")

    def __init__(self, nexus: Nexus, lu: LogicalUnit, number: int) -> None:
        self.nexus = nexus
        self.lu = lu
        self.number = number
        self.attentions = lu.greeting()
        self.barred = NOTHING
        """The classes of commands that a reservation keeps this initiator from (scsi.reservation.types)."""
        self.access: AccessState | None = None
        """The access state of the port, while it stops some commands (SPC-5 5.17)."""
        self.gate: Callable[[Command, bytes], None] | None = None
        self.regate()

    def execute(self, task: Task) -> None:
        """Run a task whose data-out is complete. task.done(task) follows exactly once, now or later."""
        lu = self.lu
        if task.attribute == SIMPLE and not lu.tasks.restrains and not task.started:
            lu.run(task)
        else:
            lu.tasks.arrange(task)

    def regate(self) -> None:
        """Plug the gate in or out: call after any change to what it looks at."""
        lu = self.lu
        self.barred = lu.reservations.bars(self)
        self.access = lu.access.hampering(self.nexus)
        closed = self.attentions or self.barred or lu.bar or lu.obstacle or lu.write_protected or lu.reservations.lost
        self.gate = self._gate if closed or self.access is not None else None

    def _gate(self, row: Command, cdb: bytes) -> None:
        """Raises what stands between this initiator and the command, in SAM-5 5.3.3 order: a reset comes before a
        reservation conflict, any other unit attention after it."""
        lu = self.lu
        heeds = bool(self.attentions) and row.attention
        if heeds and self.attentions[0].asc == POWER_ON.asc:
            raise CheckCondition(self._tell_attention())
        if self.barred or lu.reservations.lost:
            kind = row.reservation if isinstance(row.reservation, str) else row.reservation(cdb)
            if kind in self.barred:
                raise Refused(RESERVATION_CONFLICT)
            lu.reservations.demand_known(row, kind)
        if heeds:
            raise CheckCondition(self._tell_attention())
        if self.access is not None:
            self.access.demand(row, cdb)
        if lu.bar is not None and row.attention:
            lu.bar(row)
        if lu.obstacle is not None and row.medium:
            raise CheckCondition(lu.obstacle)
        if lu.write_protected and row.writes:
            raise CheckCondition(lu.write_protected)

    def attend(self, sense: Sense) -> None:
        """Establish a unit attention condition (SAM-5 5.14); the same condition is not queued twice.

        Reset conditions outrank whatever came before them, and among them the greater one stays (SAM-5 6.2): the
        catalogue's qualifiers of ASC 29h rise from power on to I_T nexus loss.
        """
        if sense.asc == POWER_ON.asc:
            sense = min([sense, *(known for known in self.attentions if known.asc == POWER_ON.asc)])
            self.attentions.clear()
        if sense not in self.attentions:
            self.attentions.append(sense)
        self.regate()

    def _tell_attention(self) -> Sense:
        """The oldest unit attention, reported with CHECK CONDITION; with an interlock it stays (SPC-5 7.5.8).
        A deferred error that waits among them is told once."""
        stays = self.lu.attention_interlock and not self.attentions[0].deferred
        return self.attentions[0] if stays else self.take_attention()

    def take_attention(self) -> Sense:
        """The oldest unit attention, now reported and gone. Raises IndexError when there is none."""
        sense = self.attentions.pop(0)
        self.regate()
        return sense

    def drop_attention(self, sense: Sense) -> None:
        """Clear one unit attention that another command has made moot (REPORT LUNS, SPC-5 6.32)."""
        if sense in self.attentions and not self.lu.attention_interlock:
            self.attentions.remove(sense)
            self.regate()
