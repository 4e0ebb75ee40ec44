"""A cartridge: its file, its label and its partitions. Its methods block; one drive uses it at a time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Self

from tgtd.media.cartridge import label as labels
from tgtd.media.cartridge.label import DATA, KINDS, MOST_BARCODE, MOST_PARTITIONS, Extent, Label
from tgtd.media.cartridge.partition import Partition
from tgtd.media.cartridge.space import Space, segment_size
from tgtd.media.problem import MediumError
from tgtd.media.regular import explain, explain_creation, lock

MOST_CLEANINGS = 50
"""How often a cleaning cartridge can be used."""
_LABEL_AFTER = 64 << 20
"""Bytes after which a synchronize writes the label too: what is behind its end must be scanned when it is opened."""


@dataclass(frozen=True, slots=True)
class Making:
    """A cartridge that is to be made. kind: one of label.KINDS. capacity: bytes. density: a density code."""

    barcode: str
    capacity: int
    kind: str = "data"
    density: int = 0


class Cartridge:
    """Made by `create` and `open`."""

    @classmethod
    def create(cls, path: str, making: Making) -> Self:
        """A blank one, with one partition. Raises MediumError when the file is there already or cannot be made."""
        if making.kind not in KINDS or not 0 < len(making.barcode) <= MOST_BARCODE:
            raise ValueError(f"no cartridge can be made of {making}")
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        except OSError as error:
            if error.errno == errno.EEXIST and not os.path.exists(path):
                what = f"{path} is a link to a file that is not there"
                raise MediumError(errno.ENOENT, what, "restore that file, or remove the link") from error
            if error.errno == errno.EEXIST:
                raise MediumError(errno.EEXIST, f"{path} exists", "choose another name, or remove it first") from error
            raise explain_creation(error, path) from error
        try:
            lock(fd, path, writable=True)
            label = Label(
                barcode=making.barcode,
                kind=making.kind,
                density=making.density,
                capacity=making.capacity,
                segment=segment_size(making.capacity),
                salt=secrets.token_hex(8),
                serial=secrets.token_hex(8),
                made=int(time.time()),
                partitions=[Extent(making.capacity)],
            )
            os.ftruncate(fd, DATA)
            for sequence in (1, 2):
                labels.write(fd, label, sequence)
            return cls(fd, 2, label, writable=True)
        except BaseException:
            os.close(fd)
            os.unlink(path)
            raise

    @classmethod
    def open(cls, path: str, writable: bool = True) -> Self:
        """Raises MediumError."""
        try:
            fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise explain(error, path, writable) from error
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise MediumError(errno.EINVAL, f"{path} is not a regular file", labels.ADVICE)
            lock(fd, path, writable)
            sequence, label = labels.read(fd, path)
            return cls(fd, sequence, label, writable)
        except BaseException:
            os.close(fd)
            raise

    def __init__(self, fd: int, sequence: int, label: Label, writable: bool) -> None:
        self.label = label
        self.writable = writable and not label.protected
        self._fd = fd
        self._sequence = sequence
        self._space = Space(fd, label.segment, (n for extent in label.partitions for n in extent.segments))
        self.partitions = self._divide()
        if self.writable:
            for partition in self.partitions:
                with contextlib.suppress(OSError):
                    partition.settle()
        self._opened, self._labelled = sequence, self._standing()
        self._synchronized: list[tuple[int, int]] | None = None  # as it stood when all of it was on stable storage
        self._loads = label.loads
        self._unkept: OSError | None = None  # what went wrong with what `synchronizing` was to keep
        self._doubtful = False  # whether writing a label has failed, so that nobody knows which one is on the disk

    @property
    def barcode(self) -> str:
        return self.label.barcode

    @property
    def kind(self) -> str:
        return self.label.kind

    @property
    def density(self) -> int:
        return self.label.density

    @property
    def capacity(self) -> int:
        return self.label.capacity

    @property
    def available(self) -> int:
        """Bytes of `capacity` that partitions may have (SET CAPACITY)."""
        return self.label.available or self.label.capacity

    @property
    def serial(self) -> str:
        return self.label.serial

    @property
    def loads(self) -> int:
        return self.label.loads

    @property
    def encrypted(self) -> bool:
        """Whether any block is."""
        return any(partition.sealed != labels.NONE for partition in self.partitions)

    @property
    def reference(self) -> int:
        """32 bits that are others when other blocks or filemarks are on it: while an epoch lasts, objects are only
        added. Never 0, nor all ones."""
        standing = [(partition.epoch, partition.objects) for partition in self.partitions]
        digest = hashlib.blake2s(f"{self.label.salt} {standing}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") % 0xFFFFFFFE + 1

    @property
    def written(self) -> int:
        """Bytes of blocks that were written, as they are stored, since it was made."""
        return self.label.written + sum(partition.written for partition in self.partitions)

    @property
    def fetched(self) -> int:
        """Bytes of blocks that were read, as they are stored, since it was made."""
        return self.label.fetched + sum(partition.fetched for partition in self.partitions)

    @property
    def unwritten(self) -> int:
        """Commands that met an error of it while writing, since it was made."""
        return self.label.unwritten

    @property
    def unread(self) -> int:
        """Commands that met an error of it while reading."""
        return self.label.unread

    def count_error(self, writing: bool) -> None:
        """A command met an error of it. The label has it when that is written, as with loads."""
        if writing:
            self.label.unwritten = min(self.label.unwritten + 1, labels.MOST_ERRORS)
        else:
            self.label.unread = min(self.label.unread + 1, labels.MOST_ERRORS)

    @property
    def drives(self) -> list[str]:
        """The drives that it was in before, the latest first."""
        return self.label.drives

    def count_load(self, density: int, drive: str) -> None:
        """It is in a drive; one of no density has this one from now on. The label has it when that is written, at the
        latest by `close`."""
        if self.writable:
            self.label.loads += 1
            self.label.density = self.label.density or density
            self.label.drives = [drive, *self.label.drives][: labels.MOST_DRIVES]

    def _count(self) -> None:
        """What partitions have counted goes into the label."""
        self.label.written, self.label.fetched = self.written, self.fetched
        for partition in self.partitions:
            partition.written = partition.fetched = 0

    def wear(self) -> bool:
        """A cleaning cartridge is used: durable on return. False: it was used up before. Raises OSError."""
        if not self.writable:
            raise OSError(errno.EROFS, "the uses of a cleaning cartridge that cannot be written cannot be counted")
        if self.label.loads >= MOST_CLEANINGS:
            return False
        self.label.loads += 1
        try:
            self.write_label()
        except OSError:
            self.label.loads -= 1
            raise
        return True

    def inspect(self) -> None:
        """Read the label, and of each partition the first and the last block. Raises OSError, LookupError."""
        sequence, _ = labels.read(self._fd, "the cartridge")
        if sequence < self._sequence and not self._doubtful:
            raise OSError(errno.EIO, "the newest copy of the label is damaged")
        for partition in self.partitions:
            partition.inspect()

    def attributes(self, partition: int) -> dict[int, tuple[int, bytes]]:
        """What hosts keep in its memory."""
        return labels.attributes(self.label, partition)

    def set_attributes(self, partition: int, changes: Mapping[int, tuple[int, bytes]]) -> None:
        """Durable on return. Raises OSError; then nothing has changed."""
        before = self.label.attributes
        labels.set_attributes(self.label, partition, changes)
        try:
            self.write_label()
        except OSError:
            self.label.attributes = before
            raise

    def _divide(self) -> list[Partition]:
        salt = bytes.fromhex(self.label.salt)
        return [Partition(self._space, salt, number, extent) for number, extent in enumerate(self.label.partitions)]

    def _standing(self) -> list[tuple[int, int]]:
        """For each partition, where its stream ends and how many segments it has."""
        return [(partition.end, partition.segments) for partition in self.partitions]

    def synchronize(self) -> None:
        """All that was appended is on stable storage on return. Raises OSError."""
        unkept, self._unkept = self._unkept, None
        if unkept is not None:
            raise unkept
        self._keep(*self._taken())

    def synchronizing(self) -> Callable[[], None]:
        """As the drive's protocol has it."""
        taken = self._taken()

        def work() -> None:
            try:
                self._keep(*taken)
            except OSError as error:  # the kernel tells it once
                self._unkept = OSError(error.errno, error.strerror)
                raise

        return work

    def _taken(self) -> tuple[list[tuple[int, int]], list[Extent]]:
        """What there is now, as `_keep` wants it: more may be appended while that is at work."""
        return self._standing(), [partition.extent() for partition in self.partitions]

    def _keep(self, standing: list[tuple[int, int]], extents: list[Extent]) -> None:
        if standing == self._synchronized and not self._doubtful:
            return
        os.fdatasync(self._fd)
        self._synchronized = standing
        new = [
            segments != before or end - labelled > _LABEL_AFTER
            for (end, segments), (labelled, before) in zip(standing, self._labelled, strict=True)
        ]
        if any(new) or self._doubtful:
            self._write_label(standing, extents)

    def write_label(self) -> None:
        """Durable on return, and so is all that it says. Raises OSError."""
        os.fdatasync(self._fd)
        self._count()
        self._write_label(*self._taken())

    def _write_label(self, standing: list[tuple[int, int]], extents: list[Extent]) -> None:
        self.label.partitions = extents
        self._doubtful = True
        labels.write(self._fd, self.label, self._sequence + 1)
        self._doubtful = False
        self._sequence += 1
        self._labelled = self._synchronized = standing
        self._loads = self.label.loads

    def cut(self, partition: int, number: int) -> None:
        """Forget a partition's objects from `number` on; durable on return. Raises OSError, LookupError; then nothing
        is forgotten."""
        before = [partition.extent() for partition in self.partitions]
        try:
            dropped = self.partitions[partition].cut(number)
            self.write_label()
        except (OSError, LookupError):
            self._restore(before, self.label.salt)
            raise
        self._space.give(dropped)
        with contextlib.suppress(OSError):
            self.partitions[partition].settle()  # until it can be written the label has it

    def wipe(self, partition: int) -> Iterator[float]:
        """Nothing that was behind a partition's objects is left in the file, at the end. Yields what share is done, in
        bounded steps. Raises OSError."""
        blank, free = self.partitions[partition], self._space.free()
        whole, done = blank.behind + len(free) * self._space.size, 0
        for part in chain(blank.wipe(), self._space.clean(free)):
            done += part
            yield min(1.0, done / whole)
        os.fdatasync(self._fd)

    def format(self, capacities: list[int], density: int, available: int | None = None) -> None:
        """Blank partitions of these sizes in bytes; all data is gone. available: how much of the cartridge may be used
        from now on; None: as before. Raises OSError, ValueError; then nothing has changed."""
        most = self.available if available is None else available
        if not 1 <= len(capacities) <= MOST_PARTITIONS or sum(capacities) > most or min(capacities) <= 0:
            raise ValueError(f"no cartridge of {most} bytes can be divided into {capacities}")
        label = self.label
        before, salt = [partition.extent() for partition in self.partitions], label.salt
        written, had = label.density, label.available
        self._restore([Extent(capacity) for capacity in capacities], secrets.token_hex(8))
        label.density, label.available = density, most
        try:
            self.write_label()
        except OSError:
            label.density, label.available = written, had
            self._restore(before, salt)
            raise
        self._space.give(number for extent in before for number in extent.segments)

    def _restore(self, extents: list[Extent], salt: str) -> None:
        """Be divided like this, with what is found there. Nothing that has another salt is taken for a record."""
        self._count()
        self.label.partitions = extents
        self.label.salt = salt
        self.partitions = self._divide()

    def close(self) -> None:
        """Seal and close; both copies of the label are the same then. Raises OSError; it is closed nevertheless."""
        try:
            standing = self._standing(), self.label.loads
            if self.writable and (self._sequence != self._opened or standing != (self._labelled, self._loads)):
                for partition in self.partitions:
                    partition.seal()
                self.write_label()
                self.write_label()
                for partition in self.partitions:
                    partition.release()
                self._space.trim()
        finally:
            fd, self._fd = self._fd, -1
            os.close(fd)
