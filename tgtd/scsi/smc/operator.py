"""What the operator of a library does, as somebody would at its panel and its door; initiators are told.

Each raises ValueError, in words, when it cannot be done now; `then` is called once, later, with what went wrong, or
None.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.sense import (
    DESTINATION_FULL,
    IMPORT_EXPORT_ACCESSED,
    MANUAL_INTERVENTION_REQUIRED,
    MEDIUM_MAY_HAVE_CHANGED,
    MEDIUM_REMOVAL_PREVENTED,
    SOURCE_EMPTY,
    UNLOAD_FAILED,
    CheckCondition,
)
from tgtd.scsi.smc.change import Bay, Change, WhenMoved
from tgtd.scsi.smc.inventory import ElementType, Resting
from tgtd.scsi.smc.moves import moving
from tgtd.scsi.spc.removal import prevented_by

if TYPE_CHECKING:
    from tgtd.scsi.smc.changer import Changer

_REASONS = {
    SOURCE_EMPTY: "no cartridge is there any more",
    DESTINATION_FULL: "a cartridge is there already: move that one away first",
    MEDIUM_REMOVAL_PREVENTED: "an initiator prevents its removal, or has it erased or verified just now: end what uses "
    "the cartridge there first",
    UNLOAD_FAILED: "not all that was written to it can be kept, so it stays in the drive: mend what tgtctl status "
    "tells, and try again",
    MANUAL_INTERVENTION_REQUIRED: "the drive cannot be used now: its LUN is offline or pending, or holds a cartridge "
    "that the robot has not put there (tgtctl status says more)",
}
"""What initiators are told by sense data, for people."""
_WORDS = {
    ElementType.TRANSPORT: "robot",
    ElementType.STORAGE: "slot",
    ElementType.PORT: "import/export",
    ElementType.DRIVE: "drive",
}


def rows(changer: Changer) -> list[dict[str, object]]:
    """All elements as data: address, kind, target and lun (of a drive; None: the library's own), barcode, source,
    imported, trouble (in words)."""
    numbers = dict(zip(changer.layout.drives, changer.settings.drives, strict=True))
    return [
        {
            "address": one.address,
            "kind": _WORDS[one.kind],
            "target": numbers[one.address].target if one.address in numbers else None,
            "lun": numbers[one.address].lun if one.address in numbers else None,
            "barcode": None if one.volume is None else one.volume.barcode,
            "source": None if one.volume is None else one.volume.source,
            "imported": one.volume is not None and one.volume.imported,
            "trouble": _trouble(changer, one.volume),
        }
        for one in changer.statuses()
    ]


def _trouble(changer: Changer, volume: Resting | None) -> str | None:
    if volume is None:
        return None
    sense = changer.trouble(volume.barcode)
    if sense is None:
        return None
    return changer.explain(volume.barcode, sense)


def move(changer: Changer, source: int, destination: int, then: WhenMoved) -> None:
    """Between elements, by address."""
    for address in (source, destination):
        if changer.layout.kind(address) in (None, ElementType.TRANSPORT):
            raise ValueError(f"no volume can be at address {address}; tgtctl library show lists the elements")
    _carry_out(changer, partial(moving, changer, source, destination), False, then)


def load(changer: Changer, barcode: str, drive: str, then: WhenMoved) -> None:
    """A volume into a drive, wherever it is by then. drive: its LUN, or target/LUN where that is not the library's."""
    _where(changer, barcode), _drive(changer, drive)

    def plan() -> Change:
        return moving(changer, _where(changer, barcode), _drive(changer, drive))

    _carry_out(changer, plan, False, then)


def unload(changer: Changer, drive: str, then: WhenMoved) -> None:
    """What is in a drive, to where it came from, or to a free slot."""
    _home(changer, drive)

    def plan() -> Change:
        return moving(changer, _drive(changer, drive), _home(changer, drive))

    _carry_out(changer, plan, False, then)


def _home(changer: Changer, drive: str) -> int:
    volume = changer.inventory.at(_drive(changer, drive))
    if volume is None:
        raise ValueError(f"there is nothing in the drive that is LUN {drive}")
    home = volume.source
    if home is None or home not in changer.layout.storage or changer.inventory.at(home) is not None:
        home = _free(changer, ElementType.STORAGE)
    if home is None:
        raise ValueError("no slot is free: move or export another cartridge first")
    return home


def export(changer: Changer, barcode: str, then: WhenMoved) -> None:
    """Out of the library. Its file stays where it is, and is not taken in again before `bring`."""
    _where(changer, barcode)

    def plan() -> Change:
        address = _where(changer, barcode)
        _demand_unlocked(changer, address)
        bay = changer.bays.get(address)
        if bay is not None:
            bay.check(leaving=True)
        releases: list[tuple[Bay, Resting | None]] = [] if bay is None else [(bay, changer.inventory.at(address))]
        return Change(changer, changer.inventory.taken(address), releases, ())

    by_port = changer.layout.kind(_where(changer, barcode)) is ElementType.PORT
    _carry_out(changer, plan, by_port, then)


def bring(changer: Changer, barcode: str, then: WhenMoved) -> None:
    """Into the library: an import/export element, or a slot where there is none free."""
    if not 0 < len(barcode) <= 32 or not barcode.isascii() or not barcode.isprintable():
        raise ValueError(f'"{barcode}" is no barcode')
    if changer.inventory.find(barcode) is not None:
        raise ValueError(f"{barcode} is in the library already")
    if barcode not in changer.present:
        raise ValueError(f"there is no cartridge {barcode} in the directory of the library; tgtctl medium create tape")
    wrong = changer.present[barcode]
    if wrong is not None:
        raise ValueError(f"cartridge {barcode} cannot be used: {wrong}")
    allowed = changer.settings.cartridges
    if allowed is not None and barcode not in allowed:
        raise ValueError(f"{barcode} is not among the library's cartridges: add it to that list")
    address = _free(changer, ElementType.PORT) or _free(changer, ElementType.STORAGE)
    if address is None:
        raise ValueError("no element is free: export another cartridge first")
    by_port = changer.layout.kind(address) is ElementType.PORT

    def plan() -> Change:
        if changer.inventory.find(barcode) is not None:  # asked for twice
            raise ValueError(f"{barcode} is in the library already")
        _demand_unlocked(changer, address)
        return Change(changer, changer.inventory.brought(address, barcode, by_port), (), ())

    _carry_out(changer, plan, by_port, then)


def _demand_unlocked(changer: Changer, address: int) -> None:
    """PREVENT ALLOW MEDIUM REMOVAL locks the import/export elements (LCKIE of mode page 1Fh/41h)."""
    if changer.layout.kind(address) is ElementType.PORT and changer.preventing:
        raise ValueError(
            f"the import/export elements are locked by {prevented_by(changer)}: have it allow medium removal, or end "
            "its session"
        )


def _carry_out(changer: Changer, plan: Callable[[], Change], by_port: bool, then: WhenMoved) -> None:
    def done(error: BaseException | None) -> None:
        if error is None:
            changer.attend_all(IMPORT_EXPORT_ACCESSED if by_port else MEDIUM_MAY_HAVE_CHANGED)
        elif isinstance(error, CheckCondition):
            error = ValueError(_REASONS.get(error.sense, error.sense.text))
        then(error)

    changer.in_turn(plan, done)


def _where(changer: Changer, barcode: str) -> int:
    address = changer.inventory.find(barcode)
    if address is None:
        raise ValueError(f"there is no {barcode} in the library")
    return address


def _drive(changer: Changer, drive: str) -> int:
    for address, name in zip(changer.layout.drives, changer.settings.drives, strict=True):
        if str(name) == drive:
            return address
    there = ", ".join(map(str, changer.settings.drives))
    raise ValueError(f"the library has no drive that is LUN {drive}; its drives are {there}")


def _free(changer: Changer, kind: ElementType) -> int | None:
    return next((address for address in changer.layout.of(kind) if changer.inventory.at(address) is None), None)
