"""tgtd.scsi.spc.buffers: what is written is read, within bounds, and nobody reads another's echo."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from tests.scsi.workbench import Bench, pointer_of, sense_of
from tgtd.scsi.sense import (
    COMMAND_SEQUENCE_ERROR,
    ECHO_BUFFER_OVERWRITTEN,
    INVALID_FIELD_IN_CDB,
    PARAMETER_LIST_LENGTH_ERROR,
)
from tgtd.scsi.spc.buffers import CAPACITY, MOST_ECHOES
from tgtd.scsi.target import TaskManagement, encode_lun

DATA, DESCRIPTOR, ECHO, ECHO_DESCRIPTOR = 2, 3, 0x0A, 0x0B


def short(opcode: int, mode: int, buffer: int = 0, offset: int = 0, length: int = 0xFFFFFF) -> bytes:
    return bytes((opcode, mode, buffer)) + offset.to_bytes(3, "big") + length.to_bytes(3, "big") + b"\0"


def read(mode: int, buffer: int = 0, offset: int = 0, room: int = 0xFFFFFF) -> bytes:
    return short(0x3C, mode, buffer, offset, room)


def read_16(mode: int, buffer: int = 0, offset: int = 0, room: int = 0xFFFFFF) -> bytes:
    return struct.pack(">BBQIBB", 0x9B, mode, offset, room, buffer, 0)


def write(mode: int, length: int, buffer: int = 0, offset: int = 0) -> bytes:
    return short(0x3B, mode, buffer, offset, length)


def make() -> Bench:
    bench = Bench()
    bench.disk()
    bench.ready()
    return bench


@pytest.mark.parametrize("ask", [read, read_16])
def test_data(ask: Callable[..., bytes]) -> None:
    bench = make()
    assert bench.good(ask(DATA)) == bytes(CAPACITY)
    bench.good(write(DATA, 4, offset=100), b"abcd")
    assert bench.good(ask(DATA, offset=98, room=8)) == b"\0\0abcd\0\0"
    bench.good(write(DATA, 2, offset=101), b"xy")
    assert bench.good(ask(DATA, offset=100, room=4)) == b"axyd"
    bench.good(write(DATA, 1, offset=CAPACITY - 1), b"z")
    assert bench.good(ask(DATA, offset=CAPACITY - 1)) == b"z"
    assert bench.good(ask(DATA, offset=CAPACITY)) == b""
    task = bench.run(ask(DATA, offset=CAPACITY + 1))
    assert pointer_of(task) == (True, 3 if ask is read else 2, 7)
    task = bench.run(ask(DATA, buffer=1))
    assert pointer_of(task) == (True, 2 if ask is read else 14, 7)


def test_descriptors() -> None:
    bench = make()
    for ask in (read, read_16):
        assert bench.good(ask(DESCRIPTOR)) == CAPACITY.to_bytes(4, "big")
        assert bench.good(ask(DESCRIPTOR, buffer=1)) == bytes(4)
        assert bench.good(ask(DESCRIPTOR, room=1)) == b"\0"
        assert bench.good(ask(ECHO_DESCRIPTOR)) == b"\1\0" + CAPACITY.to_bytes(2, "big")
        for mode in (DESCRIPTOR, ECHO_DESCRIPTOR):
            assert bench.refused(ask(mode, offset=1)) == INVALID_FIELD_IN_CDB[:3]


def test_everybody_has_an_echo() -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    assert bench.refused(read(ECHO)) == COMMAND_SEQUENCE_ERROR[:3]
    bench.good(write(ECHO, 5), b"hello")
    bench.good(write(ECHO, 2), b"me", nexus=other)
    for ask in (read, read_16):
        assert bench.good(ask(ECHO)) == b"hello"
        assert bench.good(ask(ECHO, room=2)) == b"he"
        assert bench.good(ask(ECHO), nexus=other) == b"me"
    bench.good(write(ECHO, 0), b"")
    assert bench.good(read(ECHO)) == b""


def test_echoes_are_bounded() -> None:
    bench = make()
    bench.good(write(ECHO, 5), b"first")
    nexuses = [bench.connect(f"n{number}") for number in range(MOST_ECHOES)]
    for nexus in nexuses:
        bench.ready(nexus=nexus)
        bench.good(write(ECHO, 1), b"x", nexus=nexus)
    assert bench.refused(read(ECHO)) == ECHO_BUFFER_OVERWRITTEN[:3]
    assert bench.good(read(ECHO), nexus=nexuses[0]) == b"x"
    bench.good(write(ECHO, 5), b"again")
    assert bench.good(read(ECHO)) == b"again"
    assert bench.refused(read(ECHO), nexus=nexuses[0]) == ECHO_BUFFER_OVERWRITTEN[:3]


def test_who_leaves_takes_the_echo_along() -> None:
    bench = make()
    bench.good(write(ECHO, 5), b"hello")
    bench.target.manage(TaskManagement.I_T_NEXUS_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    assert bench.refused(read(ECHO)) == COMMAND_SEQUENCE_ERROR[:3]


def test_a_reset_empties_them() -> None:
    bench = make()
    bench.good(write(ECHO, 5), b"hello")
    bench.good(write(DATA, 5), b"hello")
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    assert bench.refused(read(ECHO)) == COMMAND_SEQUENCE_ERROR[:3]
    assert bench.good(read(DATA)) == bytes(CAPACITY)


@pytest.mark.parametrize("mode", [*range(2), *range(4, 0x0A), *range(0x0C, 0x1C), *range(0x1D, 0x20)])
def test_other_modes(mode: int) -> None:
    bench = make()
    for cdb in (read(mode), read_16(mode), write(mode, 4)):
        task = bench.run(cdb, b"abcd" if cdb[0] == 0x3B else None)
        assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
        assert pointer_of(task) == (True, 1, 4)


@pytest.mark.parametrize(
    ("cdb", "field"),
    [
        (write(DATA, 1, buffer=1), 2),
        (write(DATA, 0, offset=CAPACITY + 1), 3),
        (write(DATA, 2, offset=CAPACITY - 1), 6),
        (write(ECHO, CAPACITY + 1), 6),
        (write(0x1C, 1), 1),
    ],
)
def test_writes_that_are_refused(cdb: bytes, field: int) -> None:
    bench = make()
    task = bench.run(cdb, bytes(CAPACITY + 2))
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task)[1] == field
    assert bench.good(read(DATA)) == bytes(CAPACITY)


def test_less_than_announced() -> None:
    bench = make()
    assert bench.refused(write(DATA, 4), b"abc") == PARAMETER_LIST_LENGTH_ERROR[:3]
    assert bench.good(read(DATA)) == bytes(CAPACITY)
