"""Where copy managers find units: the targets of one process, and what of them an initiator may copy (SPC-5 5.18).

Whoever asks for a copy can name only units that it sees itself: those of the target that it asks, and those of targets
where it has logged in too, from the same address and by the same authentication. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.copy.tokens import Tokens
from tgtd.scsi.inquiry import IDENTIFICATION
from tgtd.scsi.nexus import LunNexus, Nexus

if TYPE_CHECKING:
    from tgtd.scsi.lun import LogicalUnit
    from tgtd.scsi.sbc.disk import Disk
    from tgtd.scsi.target import Target

_NAA, _BINARY = 3, 1


class Designator(NamedTuple):
    """A designation descriptor of a logical unit (SPC-5 7.7.6)."""

    code_set: int
    kind: int
    value: bytes


class CopyOffice:
    """What the copy managers of one process share. targets: all of them, whenever it is asked."""

    def __init__(self, targets: Callable[[], Iterable[Target]]) -> None:
        self.targets = targets
        self.tokens = Tokens()
        self.jobs = 0
        """Copies under way."""

    def reach(self, nexus: Nexus, designator: Designator) -> End | None:
        """The unit of this name, if the initiator of this nexus sees it."""
        for one in (nexus, *self._others(nexus)):
            for number, unit in one.target.visible(one).items():
                if _named(unit, one, number, designator):
                    return End(one, unit, number)
        return None

    def _others(self, nexus: Nexus) -> Iterator[Nexus]:
        """The sessions of the same initiator with other targets."""
        if nexus.credentials is None:
            return
        for target in self.targets():
            if target is not nexus.target:
                yield from (one for one in target.nexuses if one.credentials == nexus.credentials)


def _named(unit: LogicalUnit, nexus: Nexus, number: int, designator: Designator) -> bool:
    if designator.kind == _NAA:
        return designator.code_set == _BINARY and unit.identity.wwid == designator.value
    return designator in _names(IDENTIFICATION.build(unit, LunNexus(nexus, unit, number)))


def _names(page: bytes) -> Iterator[Designator]:
    at = 0
    while at + 4 <= len(page):
        code_set, kind, length = page[at] & 0x0F, page[at + 1], page[at + 3]
        if not kind & 0x30:
            yield Designator(code_set, kind & 0x0F, page[at + 4 : at + 4 + length])
        at += 4 + length


class End:
    """A unit as the copy manager reaches it on behalf of a nexus: with its reservations and access, but with no unit
    attentions; those wait for the initiator itself.

    bearer: whoever presented a token need not see the unit; it must still be there.
    """

    def __init__(self, nexus: Nexus, unit: LogicalUnit, number: int, bearer: bool = False) -> None:
        self.itl = LunNexus(nexus, unit, number)
        self.itl.attentions.clear()
        self._bearer = bearer

    @property
    def disk(self) -> Disk:
        unit: Disk = self.itl.lu  # type: ignore[assignment]
        return unit

    def present(self) -> bool:
        """The unit is there, and the initiator still sees it."""
        itl, nexus = self.itl, self.itl.nexus
        if self._bearer:
            return bool(itl.lu.access.homes)
        return nexus in nexus.target.nexuses and nexus.target.visible(nexus).get(itl.number) is itl.lu
