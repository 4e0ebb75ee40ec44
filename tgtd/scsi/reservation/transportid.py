"""TransportIDs: the names of initiator ports, as parameter lists carry them (SPC-5 7.6.4)."""

from __future__ import annotations

import re

ISCSI = 0x5
_DEVICE, _PORT = 0b00, 0b01
_PLAIN_LENGTH = 24
_SHORTEST_NAME = 20
_SESSION = re.compile(r"(.+),i,0x([0-9a-f]{1,12})")


class Malformed(ValueError):
    """No TransportID."""


def iscsi_port(port: str) -> bytes:
    """The TransportID of an iSCSI initiator port, by its name: "iqn...,i,0x<ISID>" (SPC-5 7.6.4.6, format 01b)."""
    name = port.encode() + b"\0"
    name = name.ljust(max(_SHORTEST_NAME, -(-len(name) // 4) * 4), b"\0")
    return bytes((_PORT << 6 | ISCSI, 0)) + len(name).to_bytes(2, "big") + name


def length_at(data: bytes, at: int) -> int:
    """How many bytes the TransportID at `at` has. Raises Malformed when they are not all there."""
    if at + 4 > len(data):
        raise Malformed("it is cut off")
    length = _PLAIN_LENGTH
    if data[at] & 0x0F == ISCSI:
        name = int.from_bytes(data[at + 2 : at + 4], "big")
        if name < _SHORTEST_NAME or name % 4:
            raise Malformed("the length of its name is none of the standard's")
        length = 4 + name
    if at + length > len(data):
        raise Malformed("it is cut off")
    return length


def normal(identifier: bytes) -> bytes | str:
    """One TransportID in the form in which registrations keep it; a device's name where it names no port.

    Names are compared without regard to case or to what lies behind the first null, and ISIDs as numbers. Raises
    Malformed.
    """
    if identifier[0] & 0x0F != ISCSI:
        return identifier
    try:
        name = identifier[4:].partition(b"\0")[0].decode().lower()
    except UnicodeDecodeError:
        raise Malformed("its name is no UTF-8") from None
    form = identifier[0] >> 6
    if form == _DEVICE and name:
        return name
    parts = _SESSION.fullmatch(name)
    if form != _PORT or parts is None:
        raise Malformed("it names no initiator port")
    return iscsi_port(f"{parts[1]},i,0x{int(parts[2], 16):012x}")


def describe(identifier: bytes) -> str:
    """For people: an iSCSI port's name, else the bytes in hexadecimal."""
    if identifier and identifier[0] & 0x0F == ISCSI:
        return identifier[4:].partition(b"\0")[0].decode(errors="replace")
    return identifier.hex()
