"""Mode pages of media changers, as rows (SMC-3 7.3, SPC-5 7.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.mode import ModeField, ModePage, constant
from tgtd.scsi.smc.inventory import ElementType

if TYPE_CHECKING:
    from tgtd.scsi.smc.changer import Changer


def _set_descriptor_sense(changer: Changer, on: int) -> None:
    changer.descriptor_sense = bool(on)


def _set_report_aborts(changer: Changer, on: int) -> None:
    changer.report_aborts = bool(on)


def _set_quiet_release(changer: Changer, on: int) -> None:
    changer.quiet_release = bool(on)


CONTROL = ModePage(
    0x0A,
    0,
    "control",
    12,
    (
        ModeField(2, 2, 1, "D_SENSE", lambda changer: changer.descriptor_sense, lambda _: 0, _set_descriptor_sense),
        ModeField(2, 1, 1, "GLTSD", lambda _: 1, lambda _: 1),
        ModeField(3, 3, 1, "NUAR", lambda changer: changer.quiet_release, lambda _: 0, _set_quiet_release),
        ModeField(5, 6, 1, "TAS", lambda changer: changer.report_aborts, lambda _: 0, _set_report_aborts),
    ),
)


def _elements(byte: int, kind: ElementType, name: str) -> tuple[ModeField, ModeField]:
    """The first address and the number of the elements of a kind."""

    def first(changer: Changer) -> int:
        return changer.layout.of(kind).first if changer.layout.of(kind).count else 0

    def count(changer: Changer) -> int:
        return changer.layout.of(kind).count

    return (
        ModeField(byte, 0, 16, f"FIRST {name} ELEMENT ADDRESS", first, first),
        ModeField(byte + 2, 0, 16, f"NUMBER OF {name} ELEMENTS", count, count),
    )


ELEMENT_ADDRESSES = ModePage(
    0x1D,
    0,
    "element address assignment",
    20,
    (
        *_elements(2, ElementType.TRANSPORT, "MEDIUM TRANSPORT"),
        *_elements(6, ElementType.STORAGE, "STORAGE"),
        *_elements(10, ElementType.PORT, "IMPORT/EXPORT"),
        *_elements(14, ElementType.DRIVE, "DATA TRANSFER"),
    ),
)

TRANSPORT_GEOMETRY = ModePage(0x1E, 0, "transport geometry parameters", 4, ())
"""One robot, the first of its set, which does not turn volumes over."""


def _places(changer: Changer) -> int:
    """Where volumes can be: drives, import/export elements, slots; not the robot."""
    return 0x0E if changer.layout.ports.count else 0x0A


def _from_port(changer: Changer) -> int:
    return _places(changer) if changer.layout.ports.count else 0


def _field(byte: int, name: str, port: bool = False) -> ModeField:
    value = _from_port if port else _places
    return ModeField(byte, 0, 4, name, value, value)


CAPABILITIES = ModePage(
    0x1F,
    0,
    "device capabilities",
    20,
    (
        _field(2, "STOR"),
        constant(3, 1, 1, "VTRP", 1),
        constant(3, 0, 1, "S2C", 1),
        _field(5, "ST->"),
        _field(6, "I/E->", port=True),
        _field(7, "DT->"),
        _field(13, "ST<>"),
        _field(14, "I/E<>", port=True),
        _field(15, "DT<>"),
    ),
)
"""Everything can be moved and exchanged between all places where volumes can be. S2C: the page has what SMC-2 added:
barcodes are read (VTRP), drives are not cleaned without being asked to, and attributes are the drives' affair."""


def _has_ports(changer: Changer) -> int:
    return int(changer.layout.ports.count > 0)


EXTENDED_CAPABILITIES = ModePage(
    0x1F,
    0x41,
    "extended device capabilities",
    20,
    (
        ModeField(4, 5, 1, "MVPRV", _has_ports, _has_ports),
        ModeField(4, 0, 1, "IEST", _has_ports, _has_ports),
        constant(6, 2, 1, "TREXC", 1),
        ModeField(6, 1, 1, "LCKIE", _has_ports, _has_ports),
    ),
)
"""PREVENT ALLOW MEDIUM REMOVAL locks the import/export elements, for moves to them too; what is in these is always
known; EXCHANGE MEDIUM may put what was displaced where the other volume came from. There is no door, tray or magazine,
and a drive need not unload first."""

INFORMATIONAL_EXCEPTIONS = ModePage(
    0x1C, 0, "informational exceptions control", 12, (ModeField(2, 3, 1, "DEXCPT", lambda _: 1, lambda _: 1),)
)

MODE_PAGES = (
    CONTROL,
    INFORMATIONAL_EXCEPTIONS,
    ELEMENT_ADDRESSES,
    TRANSPORT_GEOMETRY,
    CAPABILITIES,
    EXTENDED_CAPABILITIES,
)
