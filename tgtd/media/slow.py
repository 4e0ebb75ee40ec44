"""A filter that takes its time: for trying out initiators."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping

from tgtd.media.touching import Touching
from tgtd.scsi.medium import BlockMedium

DISTRIBUTIONS: Mapping[str, Callable[[float, float], float]] = {
    "uniform": lambda delay, spread: delay + random.uniform(-spread, spread),
    "normal": random.gauss,
    "exponential": lambda delay, spread: delay + (random.expovariate(1 / spread) if spread else 0.0),
}
"""How delays scatter, of delay and spread in seconds: from delay - spread to delay + spread; a mean and its standard
deviation; at least delay, and spread more in the mean."""


class SlowMedium(Touching):
    """Each of the verbs waits before it is passed on. delay, spread: seconds, see DISTRIBUTIONS."""

    def __init__(
        self, medium: BlockMedium, verbs: Collection[str], delay: float, spread: float, distribution: str
    ) -> None:
        super().__init__(medium, verbs)
        self._delay = delay
        self._spread = spread
        self._draw = DISTRIBUTIONS[distribution]

    def before(self, verb: str, offset: int, length: int) -> None:
        time.sleep(max(0.0, self._draw(self._delay, self._spread)))
