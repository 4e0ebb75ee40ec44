"""The shelf of a tape library: a directory with a file for each cartridge, named by its barcode (BARCODE.tape)."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path

from tgtd.media.cartridge.cartridge import Cartridge
from tgtd.media.cartridge.label import MOST_BARCODE
from tgtd.media.cartridge.survey import trouble
from tgtd.media.options import PLAIN, OpenOptions
from tgtd.media.problem import MediumError
from tgtd.media.tape import make
from tgtd.scsi.smc.shelf import Blank, Found

_SUFFIX = ".tape"
_SHAPE = re.compile(f"[!-~]{{1,{MOST_BARCODE}}}")


def whereabouts(path: str) -> tuple[int, int] | None:
    """The file that a path leads to, by whatever name: device and number. None: none that can be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class LibraryMedium:
    """Nothing is kept open but what is in drives. size: 0, there is none."""

    size = 0
    writable = True

    @classmethod
    def open(cls, path: str | None, options: OpenOptions = PLAIN) -> LibraryMedium:
        """Raises MediumError."""
        if path is None:
            raise MediumError(errno.EINVAL, "a library needs a path", "name the directory that holds its cartridges")
        if not os.path.isdir(path):
            number, what = (errno.ENOTDIR, "is no directory") if os.path.exists(path) else (errno.ENOENT, "is missing")
            raise MediumError(number, f"{path} {what}", "make the directory that is to hold the cartridges")
        return cls(Path(path))

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._seen: dict[str, tuple[object, str | None]] = {}

    def look(self, wanted: Iterable[Blank]) -> Found:
        """What is there, after those `wanted` that were missing have been made. Raises OSError."""
        unmade = {}
        for blank in wanted:
            path = self._path(blank.barcode)
            if not path.exists():
                try:
                    make(str(path), blank.size, blank.kind, blank.generation).close()
                except OSError as error:
                    unmade[blank.barcode] = error.strerror or str(error)
        seen: dict[str, tuple[object, str | None]] = {}
        with os.scandir(self.directory) as entries:
            for entry in entries:
                barcode = entry.name[: -len(_SUFFIX)]
                if entry.name.endswith(_SUFFIX) and _SHAPE.fullmatch(barcode):
                    seen[barcode] = self._examined(entry, barcode)
        self._seen = seen
        return Found({barcode: trouble for barcode, (_, trouble) in seen.items()}, unmade)

    def _examined(self, entry: os.DirEntry[str], barcode: str) -> tuple[object, str | None]:
        """Looks into files that are new or have changed only."""
        try:
            status = entry.stat()
        except OSError as error:
            return None, f"it cannot be found: {error.strerror}"
        mark = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode
        known = self._seen.get(barcode)
        if known is not None and known[0] == mark:
            return known
        return mark, trouble(entry.path, barcode)

    def fetch(self, barcode: str) -> Cartridge:
        """Raises MediumError. One that must not be written is opened for reading."""
        path = str(self._path(barcode))
        try:
            return Cartridge.open(path)
        except MediumError as trouble:
            if trouble.errno not in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise
            return Cartridge.open(path, writable=False)

    def _path(self, barcode: str) -> Path:
        return self.directory / f"{barcode}{_SUFFIX}"

    def flush(self) -> None:
        """Drives do that for what is in them."""

    def resize_probe(self) -> int:
        return self.size

    def grow(self, size: int) -> None:
        """A directory grows by itself."""

    def close(self) -> None:
        """Nothing is open."""
