"""The filters that may stand before a medium, by the configuration's `type`. To add one: a file here, and a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tgtd.media.failing import FailingMedium
from tgtd.media.readonly import ReadOnlyMedium
from tgtd.media.slow import SlowMedium
from tgtd.media.stalled import StalledMedium
from tgtd.scsi.medium import BlockMedium

FILTERS: Mapping[str, Callable[..., BlockMedium]] = {
    "slow": SlowMedium,
    "failing": FailingMedium,
    "readonly": ReadOnlyMedium,
    "stalled": StalledMedium,
}
"""The keyword arguments are the filter's other keys."""


def filtered(medium: BlockMedium, filters: Iterable[tuple[str, Mapping[str, Any]]]) -> BlockMedium:
    """The medium behind these filters, of which the first is nearest to the initiator. No I/O."""
    for kind, options in reversed(list(filters)):
        medium = FILTERS[kind](medium, **options)
    return medium
