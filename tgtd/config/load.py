"""From files to a Config, or every error of every file at once.

A Loader keeps what it made of each file and makes it anew only when the bytes, the mode or a secret the file names have
changed: 10,000 files load in about 5 s, and once more after one edit in about 0.3 s, as a target that did not change is
the same object as before. It blocks on files and belongs to one thread at a time.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tgtd.config.build import Placed, TargetBuilder, prune
from tgtd.config.complaint import complaints
from tgtd.config.crosscheck import crosscheck, repeated_numbers
from tgtd.config.daemon_file import DaemonBuilder
from tgtd.config.document import Document
from tgtd.config.layers import TARGETS_DIR, Content, Layers, find, read, unreadable
from tgtd.config.model import Config, Daemon
from tgtd.config.problem import ERROR, ConfigErrors, Problem, in_order, printable
from tgtd.config.schema import DAEMON, TARGETS, Schema
from tgtd.config.secrets import SecretStore

Signature = tuple[int, ...]

_SETTLED_NS = 2_000_000_000
"""A file that was changed less than this before it was read may change again within its timestamps' grain."""


@dataclass(slots=True)
class _Entry:
    """A file as it was last read. document None: the file is empty, a mask."""

    signature: Signature
    settled: bool
    digest: bytes
    document: Document | None
    placed: tuple[Placed, ...] = ()
    daemon: Daemon | None = None

    def current(self, secrets: SecretStore) -> bool:
        """Whether the secrets that the file names are what they were."""
        known = self.document.secrets if self.document else {}
        return all(secrets.look(reference) == outcome for reference, outcome in known.items())


class Loader:
    """Loads one set of layers, again and again. parses: how many files were parsed in all."""

    def __init__(self, layers: Layers, *, secrets: bool = True, environment: Mapping[str, str] | None = None) -> None:
        """secrets: secrets must be there; otherwise a missing one is a warning and its value empty."""
        self.layers = layers
        self.parses = 0
        self._strict = secrets
        self._environment = os.environ if environment is None else environment
        self._schemas = {name: Schema(name) for name in (DAEMON, TARGETS)}
        self._targets = TargetBuilder(self._schemas[TARGETS])
        self._daemon = DaemonBuilder(self._schemas[DAEMON])
        self._plain = self._daemon.build(Document("", b"", 0), {}, SecretStore({}), True)
        self._entries: dict[str, _Entry] = {}
        self._seen: set[Path] = set()

    def load(self) -> Config:
        """The configuration as the files have it now. Raises ConfigErrors."""
        found = find(self.layers)
        problems = [*found.problems, *self._vanished()]
        secrets = SecretStore(self._environment)
        paths = [*filter(None, [found.daemon]), *found.targets]
        entries: dict[str, _Entry] = {}
        for path in paths:
            try:
                entries[path] = self._entry(path, secrets, path == found.daemon)
            except OSError as error:
                problems.append(unreadable(path, error))
        self._entries = entries
        placed = [one for entry in entries.values() for one in entry.placed]
        for entry in entries.values():
            problems += entry.document.problems if entry.document else ()
        problems += crosscheck(placed)
        if any(problem.severity == ERROR for problem in problems):
            raise ConfigErrors(problems)
        daemon = entries[found.daemon].daemon if found.daemon else None
        return Config(
            daemon=daemon or self._plain,
            targets={one.target.name: one.target for one in placed},
            files=tuple(printable(path) for path in (*paths, *found.masked)),
            warnings=in_order(problems),
        )

    def _vanished(self) -> Iterator[Problem]:
        """What was there before and is not now: unmounted, or on its way elsewhere. That is no wish for no targets."""
        home = self.layers.home
        for directory in (home, home / TARGETS_DIR) if home else ():
            if os.path.isdir(directory):
                self._seen.add(directory)
            elif directory in self._seen:
                fix = "put it back; if you want no targets at all, leave an empty directory there"
                yield Problem(printable(directory), 0, 0, "", "", "the directory is not there any more", fix)
                return

    def documents(self) -> tuple[Document, ...]:
        """The files of the last load that say something, in order: tgtd.toml first."""
        return tuple(entry.document for entry in self._entries.values() if entry.document)

    def _entry(self, path: str, secrets: SecretStore, is_daemon: bool) -> _Entry:
        old = self._entries.get(path)
        signature = _signature(path)
        if old and old.settled and old.signature == signature and old.current(secrets):
            return old
        settled = time.time_ns() - max(signature[-2:]) > _SETTLED_NS
        content = read(path)
        digest = hashlib.sha256(content.data + content.mode.to_bytes(2, "big")).digest()
        if old and old.digest == digest and old.current(secrets):
            old.signature, old.settled = signature, settled
            return old
        entry = _Entry(signature, settled, digest, None)
        if content.data:
            self.parses += 1
            entry.document = Document(printable(path), content.data, content.mode)
            self._interpret(entry, entry.document, content, secrets, is_daemon)
        return entry

    def _interpret(
        self, entry: _Entry, document: Document, content: Content, secrets: SecretStore, is_daemon: bool
    ) -> None:
        """Fill an entry with what its document says, and the document with what is wrong."""
        data = document.data
        if document.problems:
            return
        errors = self._schemas[DAEMON if is_daemon else TARGETS].errors(data)
        found = [complaint for error in errors for complaint in complaints(error)]
        for complaint in found:
            document.complain(
                complaint.path, complaint.problem, complaint.fix, key=complaint.key, missing=complaint.missing
            )
        if found:
            data = prune(data, found)
        if is_daemon:
            entry.daemon = self._daemon.build(document, data, secrets, self._strict)
        else:
            entry.placed = tuple(self._targets.build(document, data, secrets, self._strict))
        for placed in entry.placed:
            document.problems += repeated_numbers(placed)
        document.shed()


def _signature(path: str) -> Signature:
    """What changes when a file does; the two times stand last."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns


def load(layers: Layers, *, secrets: bool = True) -> Config:
    """Load once. Raises ConfigErrors; see Loader."""
    return Loader(layers, secrets=secrets).load()


__all__ = ["ConfigErrors", "Layers", "Loader", "Problem", "load"]
