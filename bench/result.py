"""What a benchmark found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """rate: commands per second. cost: seconds of the target's CPU time for one command."""

    name: str
    rate: float
    cost: float
