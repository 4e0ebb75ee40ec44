"""The kernel's target configuration on its file system: takes a picture of it, and carries steps out, all or none.

Everything here blocks: a LUN's link waits for the scan, its removal for the commands under way. It belongs into a
worker, one at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tgtd.hw.configfs.difference import KernelStep, MakeFolder, MakeLink, RemoveFolder, RemoveLink, Write
from tgtd.hw.configfs.item import BACKSTORE, CORE, KernelLayout, Value
from tgtd.hw.configfs.present import Present

log = logging.getLogger(__name__)

ROOT = Path("/sys/kernel/config/target")

PATIENCE = 5.0
"""Seconds to wait for another process that is changing the configuration."""
_BREATH = 0.02

_NOT_PORTS = frozenset({CORE, "discovery_auth"})


class KernelRefusal(OSError):
    """The kernel refused a step; the others were taken back. The text says which, and why."""


class KernelTree:
    """root: where the configuration is mounted, with the name of the target core."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root

    @contextlib.contextmanager
    def alone(self, patience: float = PATIENCE) -> Iterator[None]:
        """No other tgtd changes anything meanwhile. Blocks.

        Without that, two that work in one port may each undo what the other needs. Who is stuck in the kernel stops
        others for `patience` seconds only, as whatever fails is taken back and tried again anyway. The lock is the
        root directory's own, so that it is one for all, whatever directories and namespaces they live in.
        """
        try:
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # there is nothing to change
            yield
            return
        try:
            deadline = time.monotonic() + patience
            while not _lock(descriptor) and time.monotonic() < deadline:
                time.sleep(_BREATH)
            yield
        finally:
            os.close(descriptor)

    def take(self, wish: KernelLayout = ()) -> Present:
        """What is there now, with the values that a wish speaks of. Raises OSError."""
        links: dict[str, str] = {}
        folders: set[str] = set()
        configurations: dict[str, str] = {}
        for store in self._backstores(folders):
            text = self._read(f"{store}/attrib/dev_config")
            if text is not None:
                configurations[store] = text
        for fabric in self._names(""):
            if fabric != CORE:
                folders.add(fabric)
                self._take_fabric(fabric, folders, links)
        values: dict[str, str] = {}
        wanted = [item.path for item in wish if isinstance(item, Value) and not item.once]
        for path in (*wanted, *(f"{folder}/enable" for folder in folders if _is_group(folder))):
            text = self._read(path)
            if text is not None:
                values[path] = text
        return Present(frozenset(folders), links, values, configurations)

    def carry_out(self, steps: Iterable[KernelStep]) -> None:
        """One after the other. When one fails, those before it are taken back. Raises KernelRefusal."""
        done: list[KernelStep] = []
        for step in steps:
            try:
                self.do(step)
            except OSError as trouble:
                self._take_back(done)
                raise KernelRefusal(trouble.errno, f"{_words(step)}: {trouble.strerror or trouble}") from trouble
            done.append(step)

    def remove(self, steps: Sequence[KernelStep]) -> Iterator[str]:
        """Carry out as much of it as can be; what could not."""
        for step in steps:
            try:
                self.do(step)
            except OSError as trouble:
                yield f"{_words(step)}: {trouble.strerror or trouble}"

    def _backstores(self, folders: set[str]) -> Iterator[str]:
        for group in self._names(CORE):
            if group.startswith(BACKSTORE):
                folders.add(f"{CORE}/{group}")
                for name in self._names(f"{CORE}/{group}"):
                    folders.add(f"{CORE}/{group}/{name}")
                    yield f"{CORE}/{group}/{name}"

    def _take_fabric(self, fabric: str, folders: set[str], links: dict[str, str]) -> None:
        for port in self._names(fabric):
            if port in _NOT_PORTS:
                continue
            folders.add(f"{fabric}/{port}")
            for name in self._names(f"{fabric}/{port}"):
                group = f"{fabric}/{port}/{name}"
                if not (self.root / group / "lun").is_dir():
                    continue  # the kernel's own, such as statistics
                folders.add(group)
                self._take_luns(f"{group}/lun", folders, links)
                for initiator in self._names(f"{group}/acls"):
                    folders.add(f"{group}/acls/{initiator}")
                    self._take_luns(f"{group}/acls/{initiator}", folders, links)

    def _take_luns(self, place: str, folders: set[str], links: dict[str, str]) -> None:
        """LUNs of a port group, or those that an initiator sees."""
        for lun in self._names(place):
            if lun.startswith("lun_"):
                folders.add(f"{place}/{lun}")
                with contextlib.suppress(FileNotFoundError):  # others may take it away just now
                    for entry in os.scandir(self.root / place / lun):
                        if entry.is_symlink():
                            links[f"{place}/{lun}/{entry.name}"] = self._led_to(entry.path)

    def _led_to(self, link: str) -> str:
        """Where a link leads, as a path like those of items. The kernel shows relative ones."""
        where = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
        return os.path.relpath(where, self.root)

    def _names(self, place: str) -> list[str]:
        """The directories in one; nothing where there is none. Raises OSError for any other reason."""
        try:
            return sorted(entry.name for entry in os.scandir(self.root / place) if entry.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return []

    def _read(self, path: str) -> str | None:
        try:
            return (self.root / path).read_text("utf-8", "replace").strip()
        except OSError:
            return None

    def do(self, step: KernelStep) -> None:
        """One step. Raises OSError."""
        place = self.root / step.path
        match step:
            case MakeFolder():
                place.mkdir()
            case RemoveFolder():
                place.rmdir()
            case Write():
                descriptor = os.open(place, os.O_WRONLY | os.O_CLOEXEC)
                try:
                    os.write(descriptor, step.text.encode())
                finally:
                    os.close(descriptor)
            case MakeLink():
                place.symlink_to(self.root / step.to)
            case RemoveLink():
                place.unlink()

    def _take_back(self, done: list[KernelStep]) -> None:
        for step in reversed(done):
            back = _inverse(step)
            if back is None:
                continue
            try:
                self.do(back)
            except OSError as trouble:
                log.warning("on the way back: %s: %s", _words(back), trouble)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_group(folder: str) -> bool:
    return folder.count("/") == 2 and not folder.startswith(f"{CORE}/")


def _inverse(step: KernelStep) -> KernelStep | None:
    match step:
        case MakeFolder(path):
            return RemoveFolder(path)
        case RemoveFolder(path):
            return MakeFolder(path)
        case Write(path, text, before):
            return None if before is None else Write(path, before, text)
        case MakeLink(path, to):
            return RemoveLink(path, to)
        case RemoveLink(path, to):
            return MakeLink(path, to)


def _words(step: KernelStep) -> str:
    """What a step does, for people who read the kernel's documentation."""
    match step:
        case MakeFolder(path):
            return f"mkdir {path}"
        case RemoveFolder(path):
            return f"rmdir {path}"
        case Write(path, text, _):
            return f"write {text} to {path}"
        case MakeLink(path, to):
            return f"link {path} to {to}"
        case RemoveLink(path, _):
            return f"unlink {path}"
