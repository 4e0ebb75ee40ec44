"""Text keys (RFC 7143 13, RFC 7144 7): one row per key says when it may come, its bounds, how it is settled. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


class KeyPhase(enum.Flag):
    """Where a key may appear."""

    SECURITY = enum.auto()
    OPERATIONAL = enum.auto()
    FULL_FEATURE = enum.auto()
    LEADING = enum.auto()
    """Only on the leading connection of a session."""
    LOGIN = SECURITY | OPERATIONAL


_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]{1,16}|[0-9]{1,20}", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.+@_#-]{0,62}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Settle = Callable[["Key", str, str], str]
"""(row, what the initiator offered, what we want) → the result, as text. Raises ValueError when out of bounds."""


@dataclass(frozen=True, slots=True)
class Key:
    """name; settle: how offer and wish become a result, None for a declaration; default; low and high bound numbers.

    session: belongs to the session, not to one connection. discovery: means something in a discovery session.
    """

    name: str
    settle: Settle | None
    default: str
    phase: KeyPhase
    low: int = 0
    high: int = 0
    discovery: bool = False


def number(row: Key, text: str) -> int:
    """A numerical value, decimal or hexadecimal, within the row's bounds (RFC 7143 6.1). Raises ValueError."""
    value = -1
    if _NUMBER.fullmatch(text):
        value = int(text, 16) if text[:2].lower() == "0x" else int(text, 10)
    if not row.low <= value <= row.high:
        raise ValueError(f"{row.name}={text[:40]} is not a number from {row.low} to {row.high}")
    return value


def _least(row: Key, offer: str, wish: str) -> str:
    return str(min(number(row, offer), int(wish)))


def _most(row: Key, offer: str, wish: str) -> str:
    return str(max(number(row, offer), int(wish)))


def _boolean(row: Key, text: str) -> bool:
    if text not in ("Yes", "No"):
        raise ValueError(f"{row.name}={text[:40]} is neither Yes nor No")
    return text == "Yes"


def _both(row: Key, offer: str, wish: str) -> str:
    return "Yes" if _boolean(row, offer) and wish == "Yes" else "No"


def _either(row: Key, offer: str, wish: str) -> str:
    return "Yes" if _boolean(row, offer) or wish == "Yes" else "No"


def _first(row: Key, offer: str, wish: str) -> str:
    """RFC 7143 6.2.1: the first value of the offered list that we accept."""
    acceptable = wish.split(",")
    for value in offer.split(","):
        if value in acceptable:
            return value
    return "Reject"


def _never(row: Key, offer: str, wish: str) -> str:
    return wish


_BOTH_STAGES = KeyPhase.LOGIN | KeyPhase.LEADING
_OPERATION = KeyPhase.OPERATIONAL | KeyPhase.LEADING
_LARGE = (1 << 24) - 1

KEYS: Mapping[str, Key] = {
    row.name: row
    for row in (
        Key("InitiatorName", None, "", KeyPhase.LOGIN, discovery=True),
        Key("InitiatorAlias", None, "", KeyPhase.LOGIN | KeyPhase.FULL_FEATURE, discovery=True),
        Key("TargetName", None, "", KeyPhase.LOGIN, discovery=True),
        Key("SessionType", None, "Normal", _BOTH_STAGES, discovery=True),
        Key("AuthMethod", _first, "None", KeyPhase.SECURITY, discovery=True),
        Key("HeaderDigest", _first, "None", KeyPhase.OPERATIONAL, discovery=True),
        Key("DataDigest", _first, "None", KeyPhase.OPERATIONAL, discovery=True),
        Key("MaxConnections", _least, "1", _OPERATION, 1, 65535),
        Key("InitialR2T", _either, "Yes", _OPERATION),
        Key("ImmediateData", _both, "Yes", _OPERATION),
        Key(
            "MaxRecvDataSegmentLength",
            None,
            "8192",
            KeyPhase.OPERATIONAL | KeyPhase.FULL_FEATURE,
            512,
            _LARGE,
            discovery=True,
        ),
        Key("MaxBurstLength", _least, "262144", _OPERATION, 512, _LARGE),
        Key("FirstBurstLength", _least, "65536", _OPERATION, 512, _LARGE),
        Key("DefaultTime2Wait", _most, "2", _OPERATION, 0, 3600, discovery=True),
        Key("DefaultTime2Retain", _least, "20", _OPERATION, 0, 3600, discovery=True),
        Key("MaxOutstandingR2T", _least, "1", _OPERATION, 1, 65535),
        Key("DataPDUInOrder", _either, "Yes", _OPERATION),
        Key("DataSequenceInOrder", _either, "Yes", _OPERATION),
        Key("ErrorRecoveryLevel", _least, "0", _OPERATION, 0, 2, discovery=True),
        # RFC 7144 7.1: 1 is RFC 7143 alone, 2 adds RFC 7144's functions.
        Key("iSCSIProtocolLevel", _least, "1", _OPERATION, 0, 31, discovery=True),
        # RFC 7143 13.23: we report aborts the plain way.
        Key("TaskReporting", _first, "RFC3720", _OPERATION),
        Key("NodeArchitecture", None, "", KeyPhase.LOGIN | KeyPhase.FULL_FEATURE, discovery=True),
        Key("SendTargets", None, "", KeyPhase.FULL_FEATURE, discovery=True),
        # RFC 7143 13.25: obsolete, but never NotUnderstood.
        Key("IFMarker", _never, "No", KeyPhase.OPERATIONAL, discovery=True),
        Key("OFMarker", _never, "No", KeyPhase.OPERATIONAL, discovery=True),
        Key("IFMarkInt", _never, "Reject", KeyPhase.OPERATIONAL, discovery=True),
        Key("OFMarkInt", _never, "Reject", KeyPhase.OPERATIONAL, discovery=True),
        # RFC 7145 6.3: over plain TCP the extensions are declined.
        Key("RDMAExtensions", _both, "No", _OPERATION),
        # CHAP (12.1.3) has a conversation of its own.
        Key("CHAP_A", None, "", KeyPhase.SECURITY, discovery=True),
        Key("CHAP_I", None, "", KeyPhase.SECURITY, discovery=True),
        Key("CHAP_C", None, "", KeyPhase.SECURITY, discovery=True),
        Key("CHAP_N", None, "", KeyPhase.SECURITY, discovery=True),
        Key("CHAP_R", None, "", KeyPhase.SECURITY, discovery=True),
    )
}


def parse(text: bytes) -> dict[str, str]:
    """The key=value pairs of a whole text sequence (RFC 7143 6.1), in order.

    Raises ValueError for a pair without "=", a key that is no key, one that occurs twice, bytes that are not UTF-8, or
    control characters: values end up in logs.
    """
    pairs: dict[str, str] = {}
    for item in text.split(b"\0"):
        if not item:
            continue
        name, equals, value = item.decode("utf-8").partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise ValueError("a text item is not key=value")
        if _CONTROL.search(value):
            raise ValueError(f"the value of {name} has a control character in it")
        if name in pairs:
            raise ValueError(f"key {name} occurs twice")
        pairs[name] = value
    return pairs


def encode(pairs: list[tuple[str, str]]) -> bytes:
    """Text for a data segment; keys may repeat (SendTargets)."""
    return b"".join(f"{name}={value}\0".encode() for name, value in pairs)
