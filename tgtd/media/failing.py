"""A filter that fails: for trying out what initiators make of errors."""

from __future__ import annotations

import errno
import itertools
import os
import random
from collections.abc import Collection

from tgtd.media.touching import Touching
from tgtd.scsi.medium import BlockMedium


class FailingMedium(Touching):
    """Each of the verbs raises an errno, by its name, and is not passed on.

    offset, length: bytes; only what touches this range fails (a flush touches every one), length None: to the end.
    probability: of each, 0 to 1. count: so many fail and then no more; 0: no end.
    """

    def __init__(
        self,
        medium: BlockMedium,
        verbs: Collection[str],
        error: str,
        offset: int,
        length: int | None,
        probability: float,
        count: int,
    ) -> None:
        super().__init__(medium, verbs)
        self._errno = getattr(errno, error)
        self._offset = offset
        self._end = None if length is None else offset + length
        self._probability = probability
        self._count = count
        self._failed = itertools.count(1)  # next() is atomic, and workers share it

    def concerned(self, verb: str, offset: int, length: int) -> bool:
        return verb in self.verbs and self._within(offset, length)

    def _within(self, offset: int, length: int) -> bool:
        return offset + length > self._offset and (self._end is None or offset < self._end)

    def before(self, verb: str, offset: int, length: int) -> None:
        if verb != "flush" and not self._within(offset, length):
            return
        if random.random() >= self._probability:
            return
        if self._count and next(self._failed) > self._count:
            return
        raise OSError(self._errno, f"{os.strerror(self._errno)} (a filter of this LUN wants it)")
