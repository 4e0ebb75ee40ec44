"""WRITE FILEMARKS, ERASE, FORMAT MEDIUM (SSC-5)."""

from __future__ import annotations

import os
import struct

from tests.scsi.ssc.taping import REWIND, Tape, stopped
from tests.scsi.workbench import GOOD
from tgtd.media.cartridge.cartridge import Cartridge


def test_filemarks_are_durable(tape: Tape) -> None:
    """Without IMMED all that was written is on stable storage: what another finds there, after this one is gone."""
    tape.write(b"one", 1)
    os.close(tape.cartridge._fd)
    again = Cartridge.open(str(tape.file))
    assert again.partitions[0].objects == 2
    tape.cartridge = again


def test_none_is_a_flush(tape: Tape, monkeypatch: object) -> None:
    calls: list[None] = []
    real = tape.cartridge.synchronize
    tape.cartridge.synchronize = lambda: calls.append(real())  # type: ignore[method-assign, func-returns-value]
    tape.good(bytes.fromhex("100000000000"))
    tape.good(bytes.fromhex("100100000000"))
    assert len(calls) == 1
    assert tape.where() == (0, 0, 0)


def test_sixteen(tape: Tape) -> None:
    tape.good(struct.pack(">BB10x3sx", 0x80, 0, (3).to_bytes(3, "big")))
    assert tape.where() == (0, 3, 3)


def test_erase(tape: Tape) -> None:
    tape.write(b"one", b"two", 1)
    tape.good(REWIND)
    tape.read(3)
    tape.good(bytes.fromhex("190100000000"))
    assert stopped(tape.read(3))[:3] == (8, 0, 5)
    tape.good(REWIND)
    assert tape.read(3).data_in == b"one"


def test_format(tape: Tape) -> None:
    tape.write(b"one", 1)
    assert tape.refused(bytes.fromhex("040000000000")) == (5, 0x3B, 0x0C)
    tape.good(REWIND)
    assert tape.run(bytes.fromhex("040000000000")).status == GOOD
    assert stopped(tape.read(3))[:3] == (8, 0, 5)
