"""What is missing on this machine for a target, and the cure."""

from __future__ import annotations

from dataclasses import dataclass

DROP_IN = "give its service the drop-in fabrics.conf (tgtd-targets(5), KERNEL FABRICS), or run it as root"
"""The cure where the daemon may not do what it has to."""


@dataclass(frozen=True, slots=True)
class Lack:
    """cause: in words. cure: the command or the deed that helps."""

    cause: str
    cure: str

    def __str__(self) -> str:
        return f"{self.cause}; {self.cure}"
