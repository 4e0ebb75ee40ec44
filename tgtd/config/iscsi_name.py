"""iSCSI names (RFC 7143 4.2.7)."""

from __future__ import annotations

import re
import unicodedata

from tgtd.config.problem import Mistake

_IQN = re.compile(r"iqn\.[0-9]{4}-(0[1-9]|1[0-2])\.[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\S+)?")
_EUI = re.compile(r"eui\.[0-9a-f]{16}")
_NAA = re.compile(r"naa\.([0-9a-f]{16}|[0-9a-f]{32})")
_BAD = re.compile(r"[\x00-\x2c/;-`{-\x7f]")
_EXAMPLE = 'for example "iqn.2026-11.com.example:disks": year and month in which you owned the domain, then it reversed'


def check_name(name: str) -> None:
    """Raises Mistake unless `name` is an iSCSI name in its normalised form."""
    if name != name.lower():
        raise Mistake(f'"{name}" has upper case letters, which no iSCSI name has', f'write "{name.lower()}"')
    if len(name.encode()) > 223:
        raise Mistake("is longer than 223 bytes", "write a shorter name")
    _check_form(name)
    bad = _BAD.search(name)
    if bad is not None:
        raise Mistake(f'"{bad.group()}" may not stand in an iSCSI name', "write only letters, digits, - . and :")
    if not name.isprintable() or name != unicodedata.normalize("NFKC", name):
        raise Mistake(f"{name!a} has characters that no iSCSI name has (RFC 3722)", "write plain letters instead")


def _check_form(name: str) -> None:
    kind = name[:4]
    if kind == "eui." and not _EUI.fullmatch(name):
        raise Mistake(f'"{name}" is no EUI-64 name', "write eui. and 16 hexadecimal digits")
    if kind == "naa." and not _NAA.fullmatch(name):
        raise Mistake(f'"{name}" is no NAA name', "write naa. and 16 or 32 hexadecimal digits")
    if kind == "iqn." and not _IQN.fullmatch(name):
        raise Mistake(f'"{name}" is no iqn name', _EXAMPLE)
    if kind not in ("iqn.", "eui.", "naa."):
        raise Mistake(f'"{name}" does not begin with iqn., eui. or naa.', _EXAMPLE)


def can_match(pattern: str) -> bool:
    """Whether a pattern, judged by how it begins, matches any name there may be."""
    begin = re.split(r"[*?[]", pattern)[0]
    return any(kind.startswith(begin) or begin.startswith(kind) for kind in ("iqn.", "eui.", "naa."))


def check_pattern(pattern: str) -> None:
    """Raises Mistake for a pattern that can never match a name."""
    if pattern != pattern.lower():
        raise Mistake(f'"{pattern}" has upper case letters, which no iSCSI name has', f'write "{pattern.lower()}"')
