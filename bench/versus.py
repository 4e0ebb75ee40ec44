"""The contenders on the same work: alternating rounds, our ratios to tgt's pair by pair."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from bench.contender import Contenders
from bench.latency import percentiles
from bench.work import WORK, Work

Figures = tuple[float, float]
"""Commands per second, CPU µs per command."""


@dataclass(slots=True)
class Row:
    """What was found for one work: medians of the rounds by name of the contender; medians of the ratios of pairs."""

    work: Work
    figures: dict[str, Figures]
    rate: float
    cpu: float

    @property
    def reached(self) -> bool:
        return self.rate >= self.work.rate and self.cpu <= self.work.cpu


def compare(contenders: Contenders, rounds: int, wanted: str = "") -> Iterator[Row]:
    """One row after the other. Who goes first changes from round to round."""
    for work in WORK:
        if wanted not in work.name:
            continue
        able = contenders.able(work)
        for number in range(rounds):
            for contender in able if number % 2 else reversed(able):
                contender.measure(work)
        figures = {contender.name: contender.median(work) for contender in able}
        yield Row(work, figures, *ratios(contenders.ours.rounds[work.name], contenders.tgt.rounds[work.name]))


def ratios(ours: list[Figures], theirs: list[Figures]) -> Figures:
    """Medians of the pairs' ratios: rate, CPU per command."""
    pairs = list(zip(ours, theirs, strict=True))
    return statistics.median(a[0] / b[0] for a, b in pairs), statistics.median(a[1] / max(b[1], 0.1) for a, b in pairs)


def latencies(contenders: Contenders) -> dict[str, Figures]:
    """(p50, p99) of 4 KiB READs at depth 1 in µs."""
    return {
        contender.name: percentiles(contender.url) for contender in (contenders.ours, contenders.tgt, contenders.floor)
    }
