"""The warning before the pool of a LUN is full: where there is a pool that can be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tgtd.config.document import Document
from tgtd.config.positions import Path


def pool_warning(document: Document, path: Path, lun: Mapping[str, Any]) -> int:
    """Percent, 0 for none. Complains where it could never come true."""
    percent: int = lun["pool_warning"]
    medium = lun.get("medium") or {}
    kind = medium.get("type")
    place = (*path, "pool_warning")
    if not percent or kind is None or lun.get("device", "disk") != "disk":
        return percent
    if kind != "file":
        document.complain(
            place,
            f"how full the pool of a {kind} medium is cannot be found out",
            "remove pool_warning, or put the disk in a file",
        )
    elif medium.get("preallocate"):
        document.complain(place, "a preallocated medium takes no more space", "remove pool_warning, or preallocate")
    return percent
