"""Images of tapes in other formats: which one a file or a directory is in, and how a cartridge is filled from it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from tgtd.media.cartridge import mhvtl, simh, tgtimage
from tgtd.media.cartridge.partition import Partition
from tgtd.media.problem import MediumError


def records(path: Path, partition: int) -> Iterator[bytes | None]:
    """Blocks, and None for filemarks: of a cartridge of mhvtl, an image of tgt, or else one of SIMH. partition: of the
    one that can have several. Raises MediumError, OSError."""
    if path.is_dir():
        yield from mhvtl.records(path, partition)
        return
    with path.open("rb") as file:
        head = file.read(64)
        file.seek(0)
        yield from (tgtimage if tgtimage.begins(head) else simh).records(file, str(path))


def fill(partition: Partition, found: Iterator[bytes | None]) -> None:
    """Append all that is found. Raises MediumError, OSError; what came before is there then."""
    marks = 0
    for block in found:
        if block is None:
            marks += 1
            continue
        if marks:
            partition.append_filemarks(marks)
            marks = 0
        if partition.end + len(block) > partition.capacity:
            what = f"the cartridge is full after {partition.objects} blocks and filemarks"
            raise MediumError(errno.ENOSPC, what, "make a larger one (tgtctl medium create --size), and begin again")
        partition.append_block(block, len(block), 0)
    if marks:
        partition.append_filemarks(marks)
