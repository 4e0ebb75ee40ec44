"""Tells when the configuration's files may have changed: watchdog (inotify) on all layer directories, debounced.

Directories are watched, not files, so an editor's rename-and-replace is seen. Links are followed: the directories
that hold what they name are watched as well (Kubernetes swaps such a link, `..data`). Of a directory that does not
exist the nearest one above it is watched. Directories on the way are watched for what comes and goes in them only: a
disk's file in one of them would tell of every write otherwise. After every burst of changes the set of directories is
worked out anew, before the caller is told, so that whatever happens while it reads is told again. A false alarm costs
one look at the files; a missed one is a bug.
"""

from __future__ import annotations

import inspect
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from tgtd.config.layers import Layers

log = logging.getLogger(__name__)

_HARMLESS = frozenset({"opened", "closed_no_write"})
"""Event types of watchdog 3 and newer that tell of readers."""

_COMING_AND_GOING = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]

_SUFFIX = ".toml"

_FARTHEST = 40
"""Links that are followed one after the other, as in the kernel."""


class Watch(FileSystemEventHandler):
    """Calls `changed()` from a thread of its own, once for a burst of changes, `debounce` seconds after its last.

    A burst that does not end is told of all the same, from time to time.
    """

    def __init__(
        self, layers: Layers, changed: Callable[[], object], debounce: float, also: Iterable[Path] = ()
    ) -> None:
        """also: further paths whose change matters, such as secrets' files."""
        self._layers = layers
        self._changed = changed
        self.debounce = debounce
        self._also = tuple(also)
        self._observer: BaseObserver = Observer()
        self._watches: dict[str, tuple[bool, ObservedWatch]] = {}
        """By directory; true: for changes in its files too."""
        # Debian 12's watchdog cannot choose events; it tells of all.
        self._chooses = "event_filter" in inspect.signature(BaseObserver.schedule).parameters
        self._ways: dict[str, _Marks] = {}
        self._stale: set[str] = set()
        self._pulse = threading.Condition()
        self._pending = False
        self._stopped = False
        self._thread = threading.Thread(target=self._wait, name="tgtd-watch", daemon=True)

    def start(self) -> None:
        """Watch from now on: a change after this has returned is told. Raises OSError when inotify has no room."""
        self._observer.start()
        self._arm()
        self._thread.start()

    def stop(self) -> None:
        """No call of `changed` begins after this has returned."""
        with self._pulse:
            self._stopped = True
            self._pulse.notify()
        self._observer.stop()
        for thread in (self._observer, self._thread):
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()

    def follow(self, also: Iterable[Path]) -> None:
        """Watch these further paths from now on, instead of those given before."""
        self._also = tuple(also)
        self._poke()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog, from its thread."""
        if event.event_type in _HARMLESS:
            return
        paths = [os.fsdecode(path) for path in (event.src_path, getattr(event, "dest_path", "")) if path]
        if event.is_directory and event.event_type == "modified":
            # Said of a directory whenever something in it comes or goes; that is told by itself.
            matters = any(path in self._ways and self._ways[path] != _marks(path) for path in paths)
        else:
            matters = any(path in self._ways or path.endswith(_SUFFIX) for path in paths)
            self._stale.update(path for path in paths if path in self._watches)
        if matters:
            self._poke()

    def _poke(self) -> None:
        with self._pulse:
            self._pending = True
            self._pulse.notify()

    def _wait(self) -> None:
        while self._burst():
            self._rearm()
            try:
                self._changed()
            except Exception:
                log.exception("a change of the configuration could not be passed on")

    def _burst(self) -> bool:
        """Wait for changes, then for their end. False: stopped."""
        with self._pulse:
            self._pulse.wait_for(lambda: self._pending or self._stopped)
            for _ in range(10):
                self._pending = False
                if not self._pulse.wait_for(lambda: self._pending or self._stopped, self.debounce):
                    break
            self._pending = False
            return not self._stopped

    def _rearm(self) -> None:
        try:
            self._arm()
        except OSError as error:
            log.warning(
                "not all configuration directories can be watched (%s); raise fs.inotify.max_user_watches, "
                "or use tgtctl reload after edits",
                error,
            )

    def _arm(self) -> None:
        """Watch what is to be watched now. Repeats until that no longer changes, as directories may come meanwhile.

        A watch whose directory was removed or replaced is made anew under the same name, as inotify follows the
        inode."""
        for _ in range(_FARTHEST):
            ways: set[str] = set()
            wanted: dict[str, bool] = {}
            for path, thorough in self._directories(ways):
                wanted[path] = wanted.get(path, False) or thorough
            self._ways = {path: _marks(path) for path in ways}
            while self._stale:
                self._release(self._stale.pop())
            for path, (thorough, _) in list(self._watches.items()):
                if wanted.get(path) is not thorough:
                    self._release(path)
            fresh = wanted.keys() - self._watches.keys()
            for path in fresh:
                try:
                    self._watches[path] = wanted[path], self._schedule(path, wanted[path])
                except (FileNotFoundError, NotADirectoryError):
                    continue
            if not fresh:
                return

    def _schedule(self, path: str, thorough: bool) -> ObservedWatch:
        if thorough or not self._chooses:
            return self._observer.schedule(self, path, recursive=False)
        return self._observer.schedule(self, path, recursive=False, event_filter=_COMING_AND_GOING)

    def _release(self, path: str) -> None:
        known = self._watches.pop(path, None)
        if known is None:
            return
        try:
            self._observer.unschedule(known[1])
        except (KeyError, OSError):
            # Its directory is gone, and inotify's watch with it.
            pass

    def _directories(self, ways: set[str]) -> Iterator[tuple[str, bool]]:
        """Existing directories in which a change may matter; true: in their files too, not only what comes and goes.

        ways: takes the paths whose coming and going matters."""
        for directory in self._layers.watched():
            yield from _stations(directory, ways)
            for link in _links(directory):
                yield from _stations(link, ways)
        for path in (*self._layers.files, *self._also):
            yield from _stations(path, ways)


_Marks = tuple[int, ...]


def _marks(path: str) -> _Marks:
    """What makes a directory readable, and which one it is."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_ino, status.st_mode, status.st_uid, status.st_gid


def _links(directory: Path) -> list[str]:
    """Links among a directory's configuration files."""
    try:
        with os.scandir(directory) as entries:
            return [entry.path for entry in entries if entry.name.endswith(_SUFFIX) and entry.is_symlink()]
    except OSError:
        return []


def _stations(path: Path | str, ways: set[str]) -> Iterator[tuple[str, bool]]:
    """The directories that decide what a path leads to: that of each link on the way, and that of the end.

    If the end is a directory, it is a station itself; if it is missing, so is the nearest above it. True: the one that
    holds what the path names, so that a change in its files matters.
    """
    text = os.path.abspath(path)
    for _ in range(_FARTHEST):
        link = _first_link(text, ways)
        if link is None:
            break
        parent = os.path.dirname(link)
        yield parent, False
        try:
            text = os.path.normpath(os.path.join(parent, os.readlink(link)) + text[len(link) :])
        except OSError:
            break
    directory = os.path.isdir(text)
    if directory:
        yield text, True
    yield _nearest(os.path.dirname(text)), not directory and os.path.exists(text)


def _first_link(text: str, ways: set[str]) -> str | None:
    """The first part of a path that is a symbolic link; all parts up to it are added to `ways`."""
    at = 0
    while at >= 0:
        at = text.find("/", at + 1)
        part = text if at < 0 else text[:at]
        ways.add(part)
        if os.path.islink(part):
            return part
    return None


def _nearest(text: str) -> str:
    """A directory itself, or the nearest above that exists."""
    while not os.path.isdir(text) and text != "/":
        text = os.path.dirname(text)
    return text
