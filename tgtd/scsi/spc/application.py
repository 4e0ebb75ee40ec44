"""The application client log page: a place in which initiators leave what they like (SPC-5 7.3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tgtd.scsi.log import SAVED_BINARY_LIST, LogPage, Parameter
from tgtd.scsi.spc.keeping import recall

if TYPE_CHECKING:
    from tgtd.scsi.spc.unit import PrimaryUnit

COUNT = 64
LENGTH = 0xFC
NAME = "application-client"
_EMPTY = bytes(LENGTH)


def _notes(unit: PrimaryUnit) -> bytes:
    return recall(unit, NAME).ljust(COUNT * LENGTH, b"\0")


def _parameters(unit: PrimaryUnit) -> Iterable[Parameter]:
    notes = _notes(unit)
    for code in range(COUNT):
        value = notes[code * LENGTH : (code + 1) * LENGTH]
        yield Parameter(code, SAVED_BINARY_LIST, value, default=_EMPTY, settable=True)


def _store(unit: PrimaryUnit, values: Mapping[int, bytes]) -> Mapping[str, bytes | None]:
    notes = bytearray(_notes(unit))
    for code, value in values.items():
        notes[code * LENGTH : (code + 1) * LENGTH] = value
    return {NAME: bytes(notes).rstrip(b"\0") or None}


APPLICATION_CLIENT = LogPage(0x0F, 0, "application client", _parameters, _store, saved=True)
