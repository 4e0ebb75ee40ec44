"""What media have in common that cannot hold space for blocks of which they keep no data."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator


class Anchorless:
    """`can_anchor` is false, and says so to who tries."""

    can_anchor = False

    def anchor(self, offset: int, length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    def anchored(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        return iter(())
