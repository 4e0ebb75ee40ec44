"""Which files make up the configuration: vendor's, administrator's and runtime layer, with systemd's precedence.

Reads directories and files, nothing else. A file masks those of the same name in lower layers; an empty file or a link
to /dev/null says that there is none (systemd.unit(5), "Unit File Load Path").
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from tgtd.config.problem import Problem, printable

DAEMON_FILE = "tgtd.toml"
TARGETS_DIR = "targets.d"
_LARGEST = 64 << 20
"""Bytes. A configuration file that is larger is a mistake, and would hold the daemon up."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Directories that hold tgtd.toml and targets.d/, lowest precedence first.

    targets: more directories of target files. files: single target files (for checking one). home: that one of the
    directories which a person keeps; the others may come and go with packages and boots.
    """

    directories: tuple[Path, ...] = ()
    targets: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    home: Path | None = None

    @staticmethod
    def system() -> Layers:
        """Where an installed daemon looks."""
        return Layers(tuple(Path(root, "tgtd") for root in ("/usr/lib", "/etc", "/run")), home=Path("/etc/tgtd"))

    @staticmethod
    def single(directory: Path) -> Layers:
        """--config DIR: this directory and no other."""
        return Layers((directory,), home=directory)

    @staticmethod
    def at(path: Path) -> Layers:
        """What a person points at: a directory with tgtd.toml or targets.d, a targets.d itself, or one file.

        Raises FileNotFoundError when nothing is there.
        """
        if not path.is_dir():
            if not path.exists():
                raise FileNotFoundError(f"{printable(path)} does not exist")
            return Layers(files=(path,))
        whole = (path / DAEMON_FILE).exists() or (path / TARGETS_DIR).exists()
        return Layers((path,)) if whole else Layers(targets=(path,))

    def watched(self) -> tuple[Path, ...]:
        """The directories in which a change may matter, whether they exist or not."""
        own = [path for directory in self.directories for path in (directory, directory / TARGETS_DIR)]
        return (*own, *self.targets, *(file.parent for file in self.files))

    def target_directories(self) -> tuple[Path, ...]:
        """Directories of target files, lowest precedence first."""
        return (*(directory / TARGETS_DIR for directory in self.directories), *self.targets)


@dataclass(slots=True)
class FoundFiles:
    """The files of a configuration, in order. masked: files that another one hides, or that say nothing themselves."""

    daemon: str | None
    targets: list[str]
    masked: list[str]
    problems: list[Problem]


def find(layers: Layers) -> FoundFiles:
    """The files that count. Trouble with a directory is a problem in the result."""
    found = FoundFiles(None, [], [], [])
    daemons = [str(directory / DAEMON_FILE) for directory in layers.directories]
    daemons += [str(file) for file in layers.files if file.name == DAEMON_FILE]
    present = [path for path in daemons if os.path.lexists(path)]
    if present:
        found.daemon = present.pop()
        found.masked += present
    chosen: dict[str, str] = {}
    for directory in layers.target_directories():
        for name in _names(directory, found.problems):
            if name in chosen:
                found.masked.append(chosen[name])
            chosen[name] = f"{directory}/{name}"
    found.targets = [chosen[name] for name in sorted(chosen)]
    found.targets += [str(file) for file in layers.files if file.name != DAEMON_FILE]
    return found


def _names(directory: Path, problems: list[Problem]) -> list[str]:
    """Names of target files in one directory. Dot files are editors' own."""
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(unreadable(directory, error))
        return []
    return [name for name in names if name.endswith(".toml") and not name.startswith(".")]


def unreadable(path: Path | str, error: OSError) -> Problem:
    """The complaint about what cannot be read."""
    fix = {
        FileNotFoundError: "it is a link to nothing: point it at a file, or at /dev/null to mask the name",
        NotADirectoryError: "make it a directory, with the files of targets in it",
        PermissionError: f"let the daemon's user read it: check the owner and mode of {printable(path)}",
    }.get(type(error), "give the daemon a file it can read")
    return Problem(printable(path), 0, 0, "", "", f"cannot be read: {error.strerror or error}", fix)


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes and mode bits; data is empty for a mask."""

    data: bytes
    mode: int


def read(path: Path | str) -> Content:
    """Raises OSError. Never waits on something that is no regular file (a FIFO, a terminal)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3):
            return Content(b"", 0)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file")
        if status.st_size > _LARGEST:
            raise OSError(0, f"it is larger than {_LARGEST >> 20} MiB")
        return Content(_all(descriptor, status.st_size), stat.S_IMODE(status.st_mode))
    finally:
        os.close(descriptor)


def _all(descriptor: int, size: int) -> bytes:
    """Everything to the end, which may have moved since `size` was asked."""
    parts = []
    while part := os.read(descriptor, size + 1):
        parts.append(part)
    return b"".join(parts)
