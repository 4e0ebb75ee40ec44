"""Encryption of a LUN's medium: its keys, by reference, and where its header is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tgtd.config.document import Document
from tgtd.config.model import Encryption, Secret
from tgtd.config.positions import Path

SecretReader = Callable[[Path, Any], Secret]
"""Makes a secret of what stands at a place, and complains there of what is wrong."""


def encryption(document: Document, path: Path, lun: Mapping[str, Any], secret: SecretReader) -> Encryption | None:
    """path: of the LUN's table. None: not encrypted, or complained of."""
    medium = lun.get("medium") or {}
    written = medium.get("encryption")
    if written is None:
        return None
    place = (*path, "medium", "encryption")
    kind = medium.get("type")
    trouble = _trouble(lun, kind, written)
    if trouble is not None:
        key, problem, fix = trouble
        document.complain((*place, *key), problem, fix)
    if not written.get("key"):
        return None
    header = written.get("header") or (f"{medium['path']}.header" if kind == "file" and medium.get("path") else None)
    return Encryption(
        key=secret((*place, "key"), written["key"]),
        old_key=secret((*place, "old_key"), written["old_key"]) if written.get("old_key") else None,
        header=header,
    )


def _trouble(lun: Mapping[str, Any], kind: str | None, written: Mapping[str, Any]) -> tuple[Path, str, str] | None:
    """(place, problem, fix) of what does not go together."""
    if kind not in ("file", "block", "ram", None):
        return (), f"a medium of type {kind} cannot be encrypted", "remove encryption"
    if lun.get("protection") is not None:
        return (
            (),
            "checksums of the data would stand beside them in the clear: protection information",
            "leave out protection, or encryption",
        )
    if kind == "ram" and "header" in written:
        return ("header",), "a ram medium keeps its header in memory as the data are", "remove it"
    if kind == "block" and "header" not in written:
        return (
            (),
            "a block device has no room for the header",
            'say which file keeps it: header = "/srv/NAME.header"',
        )
    return None
