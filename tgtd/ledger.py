"""Where reservations outlive the process: one small file for each logical unit, in the state directory.

All of them are kept, whatever APTPL says: that bit is about the loss of power (SPC-5 5.14.5.1), and a daemon that
restarts is no loss of power to initiators: their nodes live on and count on being fenced off from one another. When the
host itself was restarted, registrations without APTPL end, as the standard has it; the kernel's boot id tells which.

What cannot be understood is neither overwritten nor ignored: the unit refuses its initiators until somebody
decides.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tgtd.folder import MALFORMED, StateFolder, sealed, unsealed, why
from tgtd.scsi.reservation.state import Registrant, State
from tgtd.scsi.reservation.transportid import describe
from tgtd.scsi.reservation.types import TYPES
from tgtd.workers import Lane

log = logging.getLogger(__name__)

FOLDER = "reservations"
VERSION = 1
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Kept(NamedTuple):
    """What is known of a unit. damage: why its file says nothing, with what to do; then `state` is empty."""

    state: State
    damage: str | None = None


class Ledger:
    """The files of one state directory. Its methods block; each file has one user at a time. boot: which start of the
    host this is, "" when nobody knows."""

    def __init__(self, state: Path, boot: str | None = None) -> None:
        self.folder = state / FOLDER
        self._boot = boot_id() if boot is None else boot
        self._files = StateFolder(self.folder)

    def path(self, wwid: bytes) -> Path:
        return self.folder / f"{wwid.hex()}.json"

    def load(self, wwid: bytes) -> Kept:
        """Raises OSError when the file is there and cannot be read."""
        path = self.path(wwid)
        text = self._files.read(path)
        if text is None:
            return Kept(State())
        try:
            state, boot = decode(text, wwid)
        except MALFORMED as trouble:
            return Kept(State(), _damage(path, trouble))
        if not boot or not self._boot or boot == self._boot:
            return Kept(state)
        if state.persistent:  # PRGENERATION begins anew with the power (SPC-5 6.16.2)
            return Kept(State(0, state.keys, state.type, state.holder, True))
        if state.keys:
            log.info("%s: %d registrations ended with the host's restart, as APTPL is zero", path, len(state.keys))
        return Kept(State())

    def save(self, wwid: bytes, place: str, state: State) -> None:
        """On stable storage on return. place: where the unit is, for people. Raises OSError; then all is as before."""
        path = self.path(wwid)
        self._set_aside(path, wwid)
        self._files.replace(path, encode(state, wwid, place, self._boot))

    def _set_aside(self, path: Path, wwid: bytes) -> None:
        """A damaged file gets a second name, so that its last bytes are still there."""
        text = self._files.read(path)
        try:
            if text is not None:
                decode(text, wwid)
        except MALFORMED:
            aside = path.with_suffix(".damaged")
            with contextlib.suppress(FileNotFoundError):
                aside.unlink()
            os.link(path, aside)


class Page:
    """One unit's part of the ledger (scsi.reservation.reservations.Store). lane: of one job at a time, and its own, so
    that a medium that hangs does not hold it up."""

    def __init__(self, ledger: Ledger, lane: Lane, wwid: bytes, place: str) -> None:
        self._ledger = ledger
        self._lane = lane
        self._wwid = wwid
        self._place = place

    def save(self, state: State, done: Callable[[BaseException | None], None]) -> None:
        self._lane.submit(partial(self._ledger.save, self._wwid, self._place, state), partial(self._saved, done))

    def _saved(self, done: Callable[[BaseException | None], None], error: BaseException | None) -> None:
        if error is not None:
            log.error(
                "%s: a change of reservations was refused, as it could not be kept: %s: %s; see to the state directory",
                self._place,
                getattr(error, "filename", None) or self._ledger.folder,
                getattr(error, "strerror", None) or error,
            )
        done(error)


def boot_id() -> str:
    """Which start of the host this is; "" where the kernel does not tell."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def encode(state: State, wwid: bytes, place: str, boot: str) -> bytes:
    """The file: JSON that people can read. `initiator` and `lun` are for them; `checksum` is over all the rest."""
    body: dict[str, object] = {
        "version": VERSION,
        "wwid": wwid.hex(),
        "lun": place,
        "boot": boot,
        "generation": state.generation,
        "persist_through_power_loss": state.persistent,
        "type": None if state.type is None else state.type.code,
        "holder": None if state.holder is None else list(state.keys).index(state.holder),
        "registrations": [
            {
                "initiator": describe(who.initiator),
                "transport_id": who.initiator.hex(),
                "port": who.port,
                "key": f"0x{key:016x}",
            }
            for who, key in state.keys.items()
        ],
    }
    return sealed(body)


def decode(text: bytes, wwid: bytes) -> tuple[State, str]:
    """The state and the boot id. Raises one of MALFORMED for anything that `encode` has not written."""
    record = unsealed(text, VERSION, wwid)
    keys = {
        Registrant(bytes.fromhex(row["transport_id"]), int(row["port"])): int(row["key"], 16)
        for row in record["registrations"]
    }
    kind = None if record["type"] is None else TYPES[record["type"]]
    holder = None if record["holder"] is None else list(keys)[record["holder"]]
    state = State(int(record["generation"]), keys, kind, holder, bool(record["persist_through_power_loss"]))
    if (holder is None) is not (kind is None or kind.everyone) or (kind is not None and not keys):
        raise ValueError("its reservation has no holder")
    return state, str(record["boot"])


def _damage(path: Path, trouble: Exception) -> str:
    return (
        f"{path}: damaged ({why(trouble)}); restore it from a backup, or have the initiators register anew after "
        "`tgtctl reservations clear`"
    )
