"""The SET DATA ENCRYPTION page, bit by bit (SSC-5 8.5.3.2). Nothing is set unless all of it is right."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from tgtd.scsi.sense import INVALID_FIELD_IN_PARAMETER_LIST, PARAMETER_LIST_LENGTH_ERROR, CheckCondition
from tgtd.scsi.ssc.encryption import ALL, DECRYPT, DISABLED, ENCRYPT, LOCAL, MIXED, PUBLIC, RAW, Parameters
from tgtd.scsi.ssc.sealing import ALGORITHM, KEY_SIZE, MOST_AUTHENTICATED, MOST_UNAUTHENTICATED, Ciphers

U_KAD, A_KAD = 0x00, 0x01
"""KEY DESCRIPTOR TYPE. Nonces (02h) are the drive's own; metadata (03h) is for modes that are not there."""

_CODE = 0x0010
_SCOPES = (PUBLIC, LOCAL, ALL)
_ENCRYPTIONS = (DISABLED, ENCRYPT)
_DECRYPTIONS = (DISABLED, RAW, DECRYPT, MIXED)
_MOST_KAD = {U_KAD: MOST_UNAUTHENTICATED, A_KAD: MOST_AUTHENTICATED}
_KAD_FORMATS = (0, 1, 2)
"""Unspecified, a binary key name, a key name in ASCII."""
_HEADER, _KEY = 4, 20
_CKOD = 0x04
_NO_RAW, _RESERVED_RAW = 3, 1
"""RDMC."""


def _wrong(field: int, bit: int) -> CheckCondition:
    return CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=field, bit=bit)


class Descriptors(NamedTuple):
    unauthenticated: bytes = b""
    authenticated: bytes = b""


def decode_parameters(data: bytes, length: int, ciphers: Ciphers, mounted: bool) -> tuple[Parameters, bool]:
    """The parameters, and LOCK. length: of the list, as the CDB has it. mounted: whether there is a cartridge that
    CKOD could wait for. Raises CheckCondition."""
    if len(data) < length or len(data) < _HEADER:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    if int.from_bytes(data[:2], "big") != _CODE:
        raise _wrong(0, 7)
    if int.from_bytes(data[2:4], "big") != len(data) - _HEADER or len(data) < _KEY:
        raise _wrong(2, 7)
    if data[4] >> 5 not in _SCOPES:
        raise _wrong(4, 7)
    if data[4] & 0x1E:
        raise _wrong(4, (data[4] & 0x1E).bit_length() - 1)
    lock = bool(data[4] & 0x01)
    if data[4] >> 5 == PUBLIC:  # the rest does not count
        return Parameters(), lock
    return _decode(data, ciphers, mounted), lock


def _decode(data: bytes, ciphers: Ciphers, mounted: bool) -> Parameters:
    _check_flags(data[5], data[7], mounted)
    encryption, decryption = data[6], data[7]
    if encryption not in _ENCRYPTIONS:
        raise _wrong(6, 7)
    if decryption not in _DECRYPTIONS:
        raise _wrong(7, 7)
    for at in range(11, 18):
        if data[at]:
            raise _wrong(at, data[at].bit_length() - 1)
    end = _KEY + int.from_bytes(data[18:20], "big")
    if end > len(data):
        raise _wrong(18, 7)
    descriptors = _descriptors(data, end)
    bare = Parameters(data[4] >> 5, encryption, decryption, external=data[5] >> 6, demount=bool(data[5] & _CKOD))
    if encryption == DISABLED and decryption in (DISABLED, RAW):  # a key is let pass, and not looked at
        return bare
    if data[8] != ALGORITHM:
        raise _wrong(8, 7)
    if data[9]:
        raise _wrong(9, 7)
    if data[10] not in _KAD_FORMATS:
        raise _wrong(10, 7)
    if end - _KEY != KEY_SIZE:
        raise _wrong(18, 7)
    return replace(
        bare,
        cipher=ciphers(data[_KEY:end]),
        no_raw=data[5] >> 4 & 0x03 == _NO_RAW,
        kad_format=data[10],
        unauthenticated=descriptors.unauthenticated,
        authenticated=descriptors.authenticated,
    )


def _check_flags(flags: int, decryption: int, mounted: bool) -> None:
    """CEEM, RDMC, SDK, CKOD, CKORP, CKORL."""
    if flags >> 6 > 1 and decryption == DISABLED:  # what is not read cannot be checked
        raise _wrong(5, 7)
    if flags >> 4 & 0x03 == _RESERVED_RAW:
        raise _wrong(5, 5)
    if flags & 0x0B:  # no supplemental keys, none that end with a reservation
        raise _wrong(5, (flags & 0x0B).bit_length() - 1)
    if flags & _CKOD and not mounted:
        raise _wrong(5, 2)


def _descriptors(data: bytes, at: int) -> Descriptors:
    """Key-associated data: each kind once, in the order of their types. The second byte, AUTHENTICATED, is for data-in:
    stenc leaves in it what lay on its stack."""
    found: dict[int, bytes] = {}
    while at < len(data):
        if at + 4 > len(data):
            raise _wrong(2, 7)  # PAGE LENGTH cuts it off
        kind, length = data[at], int.from_bytes(data[at + 2 : at + 4], "big")
        if kind not in _MOST_KAD or (found and kind <= max(found)):
            raise _wrong(at, 7)
        if length > _MOST_KAD[kind]:
            raise _wrong(at + 2, 7)
        if at + 4 + length > len(data):
            raise _wrong(2, 7)
        found[kind] = data[at + 4 : at + 4 + length]
        at += 4 + length
    return Descriptors(found.get(U_KAD, b""), found.get(A_KAD, b""))
