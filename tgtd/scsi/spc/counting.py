"""Log parameters that count since LOG SELECT has reset their page, and the error counter pages (SPC-5 7.3.8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from tgtd.scsi.log import COUNTER, LogPage, Parameter

_CORRECTED, _BYTES, _UNCORRECTED = 0x0003, 0x0005, 0x0006

Counts = Callable[[Any], tuple[int, ...]]
"""Asked with the unit: counts since it was made. The unit's `tally.resets` has what they were at the last reset."""


def since_reset(unit: Any, page: int, counts: Counts) -> list[int]:
    """Counts since LOG SELECT has reset the page, or since the beginning."""
    now = counts(unit)
    before = unit.tally.resets.get(page, (0,) * len(now))
    return [count - old for count, old in zip(now, before, strict=True)]


def reset(page: int, counts: Counts, unit: Any, values: Mapping[int, bytes]) -> Mapping[str, bytes | None]:
    """For `LogPage.store`."""
    unit.tally.resets[page] = counts(unit)
    return {}


def _errors(page: int, counts: Counts, unit: Any) -> Iterator[Parameter]:
    """Bounded counters of 8 bytes. Nothing is ever corrected here: a medium's error is final."""
    done, wrong = since_reset(unit, page, counts)
    for code, count in ((_CORRECTED, 0), (_BYTES, done), (_UNCORRECTED, wrong)):
        yield Parameter(code, COUNTER, count.to_bytes(8, "big"), default=bytes(8))


def error_page(page: int, name: str, counts: Counts) -> LogPage:
    """counts: bytes processed, and errors that were not corrected."""
    return LogPage(page, 0, name, partial(_errors, page, counts), partial(reset, page, counts))
