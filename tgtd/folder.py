"""A folder of small files in the state directory, each replaced as a whole (draft, fsync, rename, fsync of the folder).

A crash leaves what was before or what is after. All of it blocks.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a file raises that was not written by us."""


class StateFolder:
    """path: made when the first file is written, its parent being there. Each file has one user at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._founded = False

    def read(self, file: Path) -> bytes | None:
        """None when there is no such file. Raises OSError."""
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, file: Path, text: bytes) -> None:
        """On stable storage on return. Raises OSError; then all is as before."""
        self._found()
        before = self.read(file)
        _draft(file, text, durable=True)
        try:
            _sync(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                if before is None:
                    file.unlink()
                else:
                    _draft(file, before, durable=False)
            raise

    def _found(self) -> None:
        """Once in each process its name is seen to be durable: a file in it is no more durable than that."""
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        if not self._founded:
            _sync(self.path.parent)
            self._founded = True


def _draft(file: Path, text: bytes, durable: bool) -> None:
    draft = file.with_suffix(".draft")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(draft, flags, 0o600)
        try:
            _write(descriptor, text)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(draft, file)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _write(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sealed(body: Mapping[str, object]) -> bytes:
    """A file's text: JSON that people can read, with a checksum over all of it. body has its `version` and `wwid`."""
    return (json.dumps({**body, "checksum": _checksum(body)}, indent=1) + "\n").encode()


def unsealed(text: bytes, version: int, wwid: bytes) -> dict[str, Any]:
    """What was sealed, in this version and about this unit. Raises one of MALFORMED."""
    record: dict[str, Any] = json.loads(text)
    checksum = record.pop("checksum")
    if record["version"] != version:
        raise ValueError(f"it is of version {record['version']}, and this tgtd knows {version}")
    if checksum != _checksum(record):
        raise ValueError("its checksum is wrong")
    if record["wwid"] != wwid.hex():
        raise ValueError(f"it is about the unit {record['wwid']}")
    return record


def why(trouble: Exception) -> str:
    """One of MALFORMED, in words."""
    return str(trouble) if isinstance(trouble, ValueError) else f"{type(trouble).__name__}: {trouble}"


def _checksum(body: Mapping[str, object]) -> str:
    return f"{zlib.crc32(json.dumps(body, sort_keys=True).encode()):08x}"
