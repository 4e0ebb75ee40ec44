"""Who is registered with a logical unit, and what is reserved: plain data; a change makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from tgtd.scsi.reservation.types import NOTHING, Type

MOST_REGISTRATIONS = 1024
"""Of one logical unit; more are refused with INSUFFICIENT REGISTRATION RESOURCES."""


class Registrant(NamedTuple):
    """An I_T nexus as registrations know it: the initiator port's TransportID (SPC-5 7.6.4), the relative target port
    identifier. It outlives the session."""

    initiator: bytes
    port: int


@dataclass(frozen=True, slots=True)
class State:
    """keys: the reservation key of every registered I_T nexus, in order of registration; none is zero.

    generation: PRGENERATION (SPC-5 6.15.2). type: None while nothing is reserved. holder: None as well where all
    registrants hold it. persistent: APTPL, as it was last said.
    """

    generation: int = 0
    keys: Mapping[Registrant, int] = field(default_factory=lambda: MappingProxyType({}))
    type: Type | None = None
    holder: Registrant | None = None
    persistent: bool = False

    def holds(self, who: Registrant) -> bool:
        """SPC-5 5.14.10: is this I_T nexus a persistent reservation holder?"""
        if self.type is None:
            return False
        return who in self.keys if self.type.everyone else who == self.holder

    def passes(self, who: Registrant) -> bool:
        """Holder, or registered where that is enough (SPC-5 5.14.3 asks for the same)."""
        return self.holds(who) or (self.type is not None and self.type.registrants and who in self.keys)

    def bars(self, who: Registrant) -> frozenset[str]:
        """The classes of commands that this I_T nexus may not do."""
        return NOTHING if self.type is None or self.passes(who) else self.type.bars


EMPTY = State()
"""Of nearly every unit: nobody is registered."""
