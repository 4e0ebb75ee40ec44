"""What PERSISTENT RESERVE IN tells: a row for each service action (SPC-5 6.16). Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from tgtd.scsi.reservation.state import State
from tgtd.scsi.reservation.types import TYPES

_R_HOLDER = 0x01

_RLR_C, _CRH, _SIP_C, _ATP_C, _PTPL_C = 0x80, 0x10, 0x08, 0x04, 0x01
_TMV, _PTPL_A = 0x80, 0x01
_ALLOW_COMMANDS = 0b100
"""SPC-5 table 208: TEST UNIT READY passes every type, what only reads state passes Write Exclusive."""


def keys(state: State) -> bytes:
    """READ KEYS: one for every registration, also where two have the same."""
    return _headed(state, b"".join(key.to_bytes(8, "big") for key in state.keys.values()))


def reservation(state: State) -> bytes:
    """READ RESERVATION; the key is zero where all registrants hold it."""
    if state.type is None:
        return _headed(state, b"")
    key = 0 if state.holder is None else state.keys[state.holder]
    return _headed(state, struct.pack(">Q5xB2x", key, state.type.code))


def capabilities(state: State) -> bytes:
    """REPORT CAPABILITIES; the type mask has a bit for each type's code."""
    mask = 0
    for code in TYPES:
        mask |= 1 << (8 + code if code < 8 else code - 8)
    flags = _RLR_C | _CRH | _SIP_C | _ATP_C | _PTPL_C
    return struct.pack(">HBBHxx", 8, flags, _TMV | _ALLOW_COMMANDS << 4 | (_PTPL_A if state.persistent else 0), mask)


def full_status(state: State) -> bytes:
    """READ FULL STATUS: a descriptor for each registration."""
    parts = []
    for who, key in state.keys.items():
        holds = state.type is not None and state.holds(who)
        kind = state.type.code if state.type is not None and holds else 0
        parts.append(
            struct.pack(">Q4xBB4xHI", key, _R_HOLDER if holds else 0, kind, who.port, len(who.initiator))
            + who.initiator
        )
    return _headed(state, b"".join(parts))


def _headed(state: State, body: bytes) -> bytes:
    return struct.pack(">II", state.generation, len(body)) + body


@dataclass(frozen=True, slots=True)
class Report:
    code: int
    name: str
    build: Callable[[State], bytes]


REPORTS = (
    Report(0x00, "READ KEYS", keys),
    Report(0x01, "READ RESERVATION", reservation),
    Report(0x02, "REPORT CAPABILITIES", capabilities),
    Report(0x03, "READ FULL STATUS", full_status),
)
