"""INQUIRY: standard data and vital product data pages, one row per page (SPC-5 6.6, 7.7).

Pages of one device type only are rows beside that type (sbc/vital.py). Does no I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, CheckCondition
from tgtd.scsi.spc.unit import PrimaryUnit
from tgtd.scsi.task import Task

VERSION = 0x07  # SPC-5
SAM_5 = 0x00A0
SPC_5 = 0x05C0
SPC_4 = 0x0460
SBC_4 = 0x0600
SBC_3 = 0x04C0

THIRD_PARTY_COPY = 0x8F

ISCSI = 0x5
TRANSPORT_VERSIONS = {ISCSI: 0x0960}
"""Protocol identifier (SPC-5 7.6.1) → version descriptor of the transport."""

_STANDARD = struct.Struct(">BBBBBBBB8s16s4s20xxx16s22x")


@dataclass(frozen=True, slots=True, eq=False)
class VitalPage:
    """One VPD page. build: called with the unit and the I_T_L nexus, returns what follows the four bytes of header.
    available: None, or asked with the unit: false hides the page."""

    code: int
    name: str
    build: Callable[[Any, LunNexus], bytes]
    available: Callable[[Any], bool] | None = None

    def offered(self, unit: PrimaryUnit) -> bool:
        return self.available is None or self.available(unit)


@dataclass(frozen=True, slots=True, eq=False)
class InquiryBit:
    """A bit of the extended INQUIRY data page. byte: as in SPC-5 7.7.7. value: asked with the unit."""

    byte: int
    bit: int
    name: str
    value: Callable[[Any], bool]


def inquiry(unit: PrimaryUnit, task: Task) -> int:
    """INQUIRY (SPC-5 6.6)."""
    cdb = task.cdb
    if cdb[1] & 0x01:
        answer = vital(unit, task.itl, cdb[2])
    elif cdb[2]:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    else:
        answer = standard(unit, task.itl)
    task.data_in = answer[: int.from_bytes(cdb[3:5], "big")]
    return GOOD


def _ascii(text: str, length: int) -> bytes:
    """Left-aligned ASCII, padded with spaces (SPC-5 4.3.1)."""
    return text.encode("ascii", "replace")[:length].ljust(length)


def protocol(itl: LunNexus) -> int | None:
    """The protocol identifier of the port through which the command came; None when the transport names none."""
    identifier = itl.nexus.transport_id
    return identifier[0] & 0x0F if identifier else None


def peripheral(unit: PrimaryUnit, itl: LunNexus) -> int:
    """Byte 0: by a port in the unavailable state nothing is connected (SPC-5 5.17.2.4)."""
    return unit.peripheral | 0x20 if itl.access is not None and itl.access.absent else unit.peripheral


def standard(unit: PrimaryUnit, itl: LunNexus) -> bytes:
    """Standard INQUIRY data, 96 bytes (SPC-5 6.6.2): HISUP and CMDQUE are set."""
    who = unit.identity
    transport = TRANSPORT_VERSIONS.get(protocol(itl) or 0)
    versions = (
        [SAM_5, *((transport,) if transport else ()), SPC_5, SPC_4, *unit.versions] if unit.qualifier == 0 else []
    )
    return _STANDARD.pack(
        peripheral(unit, itl),
        0x80 if unit.removable else 0,
        VERSION,
        0x32 if unit.normal_aca and not itl.nexus.simple else 0x12,
        _STANDARD.size - 5,
        unit.access.tpgs << 4 | _copies(unit) << 3 | unit.protectable,
        0,
        0x02,
        _ascii(who.vendor, 8),
        _ascii(who.product, 16),
        _ascii(who.revision, 4),
        struct.pack(f">{len(versions)}H", *versions),
    )


def _copies(unit: PrimaryUnit) -> bool:
    """3PC: there is a copy manager."""
    return any(page.code == THIRD_PARTY_COPY for page in unit.vital_pages)


def vital(unit: PrimaryUnit, itl: LunNexus, code: int) -> bytes:
    """A VPD page with its header. Raises INVALID FIELD IN CDB for one the unit has no row of."""
    for page in unit.vital_pages:
        if page.code == code and page.offered(unit):
            body = page.build(unit, itl)
            return struct.pack(">BBH", peripheral(unit, itl), code, len(body)) + body
    raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)


def _supported(unit: PrimaryUnit, itl: LunNexus) -> bytes:
    return bytes(sorted(page.code for page in unit.vital_pages if page.offered(unit)))


def _serial(unit: PrimaryUnit, itl: LunNexus) -> bytes:
    return unit.identity.serial.encode("ascii", "replace")


def _designator(code_set: int, kind: int, value: bytes, association: int = 0, protocol: int | None = None) -> bytes:
    """SPC-5 7.7.6.1. association: 0 logical unit, 1 target port, 2 target device."""
    first, second = code_set, association << 4 | kind
    if association and protocol is not None:
        first |= protocol << 4
        second |= 0x80
    return struct.pack(">BBxB", first, second, len(value)) + value


def _scsi_name(name: str) -> bytes:
    """SPC-5 7.7.6.11: UTF-8, null-terminated, padded to a multiple of four."""
    return _terminated(name)


def _terminated(text: str) -> bytes:
    """Null-terminated and null-padded to a multiple of four (SPC-5 4.3.2)."""
    value = text.encode() + b"\0"
    return value + b"\0" * (-len(value) % 4)


def _designators(unit: PrimaryUnit, itl: LunNexus) -> Iterable[bytes]:
    who = unit.identity
    yield _designator(2, 1, _ascii(who.vendor, 8) + _ascii(who.product, 16) + who.serial.encode("ascii", "replace"))
    if who.wwid:
        yield _designator(1, 3, who.wwid)
    port = protocol(itl)
    relative = itl.nexus.relative_port
    yield _designator(1, 4, struct.pack(">xxH", relative), association=1, protocol=port)
    if unit.access.tpgs:
        yield _designator(1, 5, struct.pack(">xxH", relative), association=1, protocol=port)
    if port == ISCSI:
        name = itl.nexus.target.name
        yield _port_name(name, relative, port)
        yield _designator(3, 8, _scsi_name(name), association=2, protocol=port)


def _port_name(target: str, relative: int, protocol: int | None) -> bytes:
    """The name of an iSCSI target port (RFC 7143 4.4.1)."""
    return _designator(3, 8, _scsi_name(f"{target},t,0x{relative:04x}"), association=1, protocol=protocol)


def _identification(unit: PrimaryUnit, itl: LunNexus) -> bytes:
    return b"".join(_designators(unit, itl))


def _management(unit: Any, itl: LunNexus) -> bytes:
    """SPC-5 7.7.8: of the logical unit, for no service in particular."""
    urls = [_terminated(url) for url in unit.settings.management]
    return b"".join(struct.pack(">BxH", 0, len(url)) + url for url in urls)


def _extended(unit: PrimaryUnit, itl: LunNexus) -> bytes:
    """SPC-5 7.7.7."""
    page = bytearray(64)
    for row in (*_EXTENDED_BITS, *unit.extended):
        page[row.byte] |= row.value(unit) << row.bit
    if itl.nexus.simple:
        page[5] &= ~_ORDERED
    return bytes(page[4:])


def _policies(unit: PrimaryUnit, itl: LunNexus) -> bytes:
    """SPC-5 7.7.9: no page is kept for each nexus or port. The last descriptor is for all pages not named before it."""
    common = [page for page in unit.mode_pages if page.common]
    named = b"".join(struct.pack(">BBBx", page.code, page.subpage, 0x80) for page in common)
    return named + bytes((0x3F, 0xFF, 0, 0))


_ORDERED = 0x06
"""HEADSUP and ORDSUP."""
_EXTENDED_BITS = (
    InquiryBit(5, 2, "HEADSUP", lambda unit: True),
    InquiryBit(5, 1, "ORDSUP", lambda unit: True),
    InquiryBit(5, 0, "SIMPSUP", lambda unit: True),
    InquiryBit(6, 0, "V_SUP", lambda unit: unit.volatile_cache),
    InquiryBit(7, 0, "LUICLR", lambda unit: True),
    InquiryBit(8, 3, "RTD_SUP", lambda unit: bool(unit.mode_pages)),
)
"""LUICLR: the unit attention of changed LUNs is cleared for all units at once (SPC-5 6.33)."""


def _ports(unit: PrimaryUnit, itl: LunNexus) -> bytes:
    """SPC-5 7.7.14: every port of the device that this unit belongs to, as initiators find them; no initiator port."""
    named = protocol(itl) == ISCSI
    body = b""
    for one in unit.access.standings():
        number = one.group.number
        name = _port_name(one.target.name, number, ISCSI) if named else b""
        body += struct.pack(">xxHxxHxxH", number, 0, len(name)) + name
    return body


SUPPORTED = VitalPage(0x00, "supported VPD pages", _supported)
SERIAL = VitalPage(0x80, "unit serial number", _serial)
IDENTIFICATION = VitalPage(0x83, "device identification", _identification)
EXTENDED = VitalPage(0x86, "extended INQUIRY data", _extended)
PORTS = VitalPage(0x88, "SCSI ports", _ports)
MANAGEMENT = VitalPage(
    0x85, "management network addresses", _management, available=lambda unit: bool(unit.settings.management)
)
MODE_PAGE_POLICY = VitalPage(0x87, "mode page policy", _policies)
