"""Where a LUN's protection information is kept: beside its medium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tgtd.config.document import Document
from tgtd.config.positions import Path


def protection_path(document: Document, path: Path, lun: Mapping[str, Any]) -> str | None:
    """The file of a LUN's protection information, None for media that have none. Complains of what does not fit."""
    written: str | None = lun.get("protection_path")
    medium = lun.get("medium") or {}
    kind = medium.get("type")
    if lun.get("protection") is None:
        if written is not None:
            document.complain(
                (*path, "protection_path"), "the LUN has no protection information", "add protection = 1, or remove it"
            )
        return None
    if kind in ("ram", "null"):
        if written is not None:
            what = "in memory as the data are" if kind == "ram" else "nowhere, as the data are"
            document.complain(
                (*path, "protection_path"), f"a {kind} medium keeps its protection information {what}", "remove it"
            )
        return None
    if kind == "block" and written is None:
        document.complain(
            (*path, "protection"),
            "a block device has no room for protection information",
            'say which file keeps it: protection_path = "/srv/NAME.pi"',
        )
        return None
    return written or (f"{medium['path']}.pi" if medium.get("path") else None)
