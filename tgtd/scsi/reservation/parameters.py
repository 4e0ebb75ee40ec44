"""PERSISTENT RESERVE OUT: what its CDB and parameter list ask for (SPC-5 6.17.2 to 6.17.4). Every field is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tgtd.scsi.reservation.state import Registrant
from tgtd.scsi.reservation.transportid import Malformed, length_at, normal
from tgtd.scsi.sense import (
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)

BASIC_LENGTH = 24
MOST_PARAMETERS = 64 << 10
"""Bytes; room for the TransportIDs of 256 ports with the longest of names."""

_SPEC_I_PT, _ALL_TG_PT, _APTPL = 0x08, 0x04, 0x01
_FLAGS = 20
_UNREG = 0x02
_MOVE_FLAGS, _MOVE_PORT, _MOVE_LENGTH = 17, 18, 20


@dataclass(frozen=True, slots=True)
class CommandOrigin:
    """Where a command came from. ports: relative identifiers of all ports of the target. known: called with the name
    of an initiator device, the TransportIDs of its ports that are logged in."""

    registrant: Registrant
    ports: Sequence[int]
    known: Callable[[str], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class PersistentReserveOut:
    """One PERSISTENT RESERVE OUT.

    by: the I_T nexus it came through. key, new_key: RESERVATION KEY and SERVICE ACTION RESERVATION KEY. ports: the
    target ports that a registration is for. others: what SPEC_I_PT names besides, with where in the list; None without
    that bit. destination, unregister: of REGISTER AND MOVE.
    """

    by: Registrant
    scope: int
    type: int
    key: int
    new_key: int
    persistent: bool = False
    ports: tuple[int, ...] = ()
    others: Mapping[Registrant, int] | None = None
    destination: Registrant | None = None
    unregister: bool = False


def decode(cdb: bytes, data: bytes, origin: CommandOrigin, flags: int) -> PersistentReserveOut:
    """A request in the basic form. flags: the bits of byte 20 that the service action heeds or ignores; others are
    invalid (SPC-5 table 216). Raises CheckCondition."""
    data = _whole(cdb, data)
    given = data[_FLAGS]
    wrong = given & ~flags & 0xFF
    if wrong:
        raise _invalid(_FLAGS, wrong.bit_length() - 1)
    specifies = bool(given & _SPEC_I_PT)
    if not specifies and len(data) != BASIC_LENGTH:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    ports = tuple(origin.ports) if given & _ALL_TG_PT else (origin.registrant.port,)
    return PersistentReserveOut(
        by=origin.registrant,
        scope=cdb[2] >> 4,
        type=cdb[2] & 0x0F,
        key=int.from_bytes(data[:8], "big"),
        new_key=int.from_bytes(data[8:16], "big"),
        persistent=bool(given & _APTPL),
        ports=ports,
        others=dict(_others(data, origin, ports)) if specifies else None,
    )


def decode_move(cdb: bytes, data: bytes, origin: CommandOrigin) -> PersistentReserveOut:
    """A request of REGISTER AND MOVE. Raises CheckCondition."""
    data = _whole(cdb, data)
    wrong = data[_MOVE_FLAGS] & ~(_UNREG | _APTPL) & 0xFF
    if wrong:
        raise _invalid(_MOVE_FLAGS, wrong.bit_length() - 1)
    port = int.from_bytes(data[_MOVE_PORT : _MOVE_PORT + 2], "big")
    if port not in origin.ports:
        raise _invalid(_MOVE_PORT)
    told = int.from_bytes(data[_MOVE_LENGTH : _MOVE_LENGTH + 4], "big")
    if BASIC_LENGTH + told != len(data):
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    if told < BASIC_LENGTH or told % 4:
        raise _invalid(_MOVE_LENGTH)
    (at, name), *more = _transport_ids(data, BASIC_LENGTH, origin)
    if more or isinstance(name, str):  # a device, not a port of it
        raise _invalid(more[0][0] if more else at)
    if name == origin.registrant.initiator:
        raise _invalid(at)
    return PersistentReserveOut(
        by=origin.registrant,
        scope=cdb[2] >> 4,
        type=cdb[2] & 0x0F,
        key=int.from_bytes(data[:8], "big"),
        new_key=int.from_bytes(data[8:16], "big"),
        persistent=bool(data[_MOVE_FLAGS] & _APTPL),
        destination=Registrant(name, port),
        unregister=bool(data[_MOVE_FLAGS] & _UNREG),
    )


def _whole(cdb: bytes, data: bytes) -> bytes:
    """As many bytes as the CDB tells of."""
    told = int.from_bytes(cdb[5:9], "big")
    if told < BASIC_LENGTH or told > MOST_PARAMETERS or len(data) < told:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    return data[:told]


def _others(data: bytes, origin: CommandOrigin, ports: Sequence[int]) -> Iterator[tuple[Registrant, int]]:
    """SPEC_I_PT: the I_T nexuses of the TransportIDs, and where each is in the list."""
    at = BASIC_LENGTH
    if len(data) < at + 4 or int.from_bytes(data[at : at + 4], "big") != len(data) - at - 4:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    for where, name in _transport_ids(data, at + 4, origin):
        # SPC-5 7.6.4.6: a device's name stands for all of its ports that we know. With none there would be nothing to
        # register, and whoever was told GOOD would count on it.
        found = origin.known(name) if isinstance(name, str) else (name,)
        if not found:
            raise _invalid(where)
        for initiator in found:
            for port in ports:
                yield Registrant(initiator, port), where


def _transport_ids(data: bytes, at: int, origin: CommandOrigin) -> Iterator[tuple[int, bytes | str]]:
    """Place and name of each TransportID; they must be of the protocol by which the command came."""
    protocol = origin.registrant.initiator[:1]
    while at < len(data):
        try:
            length = length_at(data, at)
            name = normal(data[at : at + length])
        except Malformed:
            raise _invalid(at) from None
        if not protocol or (data[at] ^ protocol[0]) & 0x0F:
            raise _invalid(at, 3)
        yield at, name
        at += length


def _invalid(at: int, bit: int | None = None) -> CheckCondition:
    return CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=bit)
