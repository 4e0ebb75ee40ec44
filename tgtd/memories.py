"""Where logical units remember (scsi/memory.py): one small file for each, in the state directory, like the ledger's.

A file that cannot be understood is neither overwritten nor ignored: what its unit is may depend on it, so the unit does
not come online until somebody decides.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tgtd.folder import MALFORMED, StateFolder, sealed, unsealed, why
from tgtd.scsi.memory import WhenKept
from tgtd.scsi.sense import INTERNAL_TARGET_FAILURE, CheckCondition
from tgtd.workers import Lane

log = logging.getLogger(__name__)

FOLDER = "memory"
VERSION = 1


class Memories:
    """The files of one state directory. Its methods block; each file has one user at a time."""

    def __init__(self, state: Path) -> None:
        self.folder = state / FOLDER
        self._files = StateFolder(self.folder)

    def path(self, wwid: bytes) -> Path:
        return self.folder / f"{wwid.hex()}.json"

    def load(self, wwid: bytes) -> dict[str, bytes]:
        """Raises OSError when the file is there and cannot be read, ValueError when it is damaged."""
        path = self.path(wwid)
        text = self._files.read(path)
        if text is None:
            return {}
        try:
            return decode(text, wwid)
        except MALFORMED as trouble:
            raise ValueError(
                f"{path}: damaged ({why(trouble)}); restore it from a backup, or remove it: the LUN then forgets what "
                "its initiators have saved in it"
            ) from trouble

    def save(self, wwid: bytes, place: str, values: Mapping[str, bytes]) -> None:
        """On stable storage on return. place: where the unit is, for people. Raises OSError; then all is as before."""
        self._files.replace(self.path(wwid), encode(values, wwid, place))


class UnitMemory:
    """One unit's memory (scsi.memory.Memory). values: as loaded. lane: of one job at a time, and not the medium's."""

    def __init__(self, memories: Memories, lane: Lane, wwid: bytes, place: str, values: Mapping[str, bytes]) -> None:
        self._memories = memories
        self._lane = lane
        self._wwid = wwid
        self._place = place
        self._values = dict(values)
        self._waiting: list[tuple[str, bytes | None, WhenKept]] = []
        self._saving = False

    def recall(self, name: str) -> bytes | None:
        return self._values.get(name)

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        self._waiting.append((name, value, then))
        self._advance()

    def _advance(self) -> None:
        if self._saving or not self._waiting:
            return
        self._saving = True
        name, value, then = self._waiting.pop(0)
        values = {known: kept for known, kept in self._values.items() if known != name}
        if value is not None:
            values[name] = value
        work = partial(self._memories.save, self._wwid, self._place, values)
        self._lane.submit(work, partial(self._saved, values, then))

    def _saved(self, values: dict[str, bytes], then: WhenKept, error: BaseException | None) -> None:
        self._saving = False
        if error is None:
            self._values = values
            then(None)
        else:
            log.error(
                "%s: what it is to remember could not be kept: %s: %s; see to the state directory",
                self._place,
                getattr(error, "filename", None) or self._memories.folder,
                getattr(error, "strerror", None) or error,
            )
            then(CheckCondition(INTERNAL_TARGET_FAILURE))
        self._advance()


def encode(values: Mapping[str, bytes], wwid: bytes, place: str) -> bytes:
    """The file: JSON. `lun` is for people; `checksum` is over all the rest."""
    body: dict[str, object] = {
        "version": VERSION,
        "wwid": wwid.hex(),
        "lun": place,
        "values": {name: value.hex() for name, value in sorted(values.items())},
    }
    return sealed(body)


def decode(text: bytes, wwid: bytes) -> dict[str, bytes]:
    """Raises one of MALFORMED for what `encode` has not written."""
    record = unsealed(text, VERSION, wwid)
    return {str(name): bytes.fromhex(value) for name, value in record["values"].items()}
