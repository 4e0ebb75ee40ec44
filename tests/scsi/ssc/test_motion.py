"""SPACE, LOCATE, READ POSITION, LOAD UNLOAD against a model (SSC-5 7)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scsi.ssc.taping import EOM, FILEMARK, REWIND, Tape, other, stopped
from tests.scsi.workbench import CHECK_CONDITION, GOOD, TUR

MARK = "mark"
LAYOUT = ["b", "b", MARK, "b", MARK, MARK, "b", "b", "b", MARK]


@pytest.fixture
def full(tape: Tape) -> Tape:
    tape.write(*(1 if one == MARK else one.encode() for one in LAYOUT))
    return tape


def locate(tape: Tape, number: int, kind: int = 0) -> None:
    tape.good(struct.pack(">BBxBQ4x", 0x92, kind << 3, 0, number))


def model(code: int, start: int, count: int) -> tuple[int, int | None, int]:
    """SPACE by its definition: where it ends, what is left (None: nothing), and the sense flags."""
    at, left, step = start, abs(count), 1 if count > 0 else -1
    while left:
        if step > 0:
            if at == len(LAYOUT):
                return at, left, 0
            met = LAYOUT[at]
        else:
            if not at:
                return at, left, EOM
            met = LAYOUT[at - 1]
        at += step
        if code == 0 and met == MARK:
            return at, left, FILEMARK
        left -= code == 0 or met == MARK
    return at, None, 0


@pytest.mark.parametrize("start", range(len(LAYOUT) + 1))
@pytest.mark.parametrize("code", [0, 1])
def test_space(full: Tape, code: int, start: int) -> None:
    for count in range(-11, 12):
        locate(full, start)
        task = full.space(code, count)
        at, left, flags = model(code, start, count)
        assert full.where()[:2] == (0, at)
        assert full.where()[2] == LAYOUT[:at].count(MARK)
        if left is None:
            assert task.status == GOOD
        else:
            key, _, _, told, residue = stopped(task)
            assert (told, residue) == (flags, left)
            assert key == (8 if at == len(LAYOUT) and not flags else 0)


def test_space_to_the_end_and_what_is_gone(full: Tape) -> None:
    full.good(REWIND)
    assert full.space(3, 0).status == GOOD
    assert full.where() == (0, len(LAYOUT), 4)
    assert full.space(4, 1).status == CHECK_CONDITION
    full.good(struct.pack(">BBxxqxxxx", 0x91, 1, -2))
    assert full.where()[:2] == (0, 5)


def test_sequential_filemarks(full: Tape) -> None:
    full.good(REWIND)
    assert full.space(2, 2).status == GOOD
    assert full.where() == (0, 6, 3)
    full.space(3, 0)
    assert full.space(2, -2).status == GOOD
    assert full.where() == (0, 4, 1)
    assert stopped(full.space(2, 5))[:3] == (8, 0, 5)
    assert stopped(full.space(2, -5)) == (0, 0, 4, EOM, None)


def test_locate(full: Tape) -> None:
    locate(full, 6)
    assert full.where() == (0, 6, 3)
    locate(full, 2, 1)
    assert full.where() == (0, 5, 2)
    locate(full, 0, 3)
    assert full.where()[1] == len(LAYOUT)
    full.good(struct.pack(">BBxIxBx", 0x2B, 0, 3, 0))
    assert full.where()[1] == 3
    assert full.refused(struct.pack(">BBxBQ4x", 0x92, 0, 0, 99)) == (8, 0, 5)
    assert full.where()[1] == len(LAYOUT)
    assert full.refused(struct.pack(">BBxBQ4x", 0x92, 2, 1, 0)) == (5, 0x24, 0)
    assert full.refused(struct.pack(">BBxBQ4x", 0x92, 2 << 3, 0, 0)) == (5, 0x24, 0)


def test_read_position(full: Tape) -> None:
    full.good(REWIND)
    assert full.good(bytes.fromhex("34000000000000000000")) == bytes.fromhex("80").ljust(20, b"\0")
    locate(full, 3)
    short = full.good(bytes.fromhex("34000000000000000000"))
    assert struct.unpack(">BBxxII8x", short) == (0, 0, 3, 3)
    extended = full.good(bytes.fromhex("34080000000000002000"))
    assert struct.unpack(">BBH4xQQQ", extended) == (0, 0, 0x1C, 3, 3, 0)
    assert full.refused(bytes.fromhex("34050000000000000000")) == (5, 0x24, 0)
    assert full.refused(bytes.fromhex("34060000000000002000")) == (5, 0x24, 0)


def test_unload_and_load(full: Tape) -> None:
    second = full.connect("b")
    full.ready(nexus=second)
    full.good(bytes.fromhex("1b0000000000"))
    assert full.refused(TUR) == (2, 4, 2)
    full.good(bytes.fromhex("1b0000000100"))
    assert full.where() == (0, 0, 0)
    assert full.refused(TUR, nexus=second) == (6, 0x28, 0)
    full.good(bytes.fromhex("1e0000000100"), nexus=second)
    assert full.refused(bytes.fromhex("1b0000000000")) == (5, 0x53, 2)
    full.good(bytes.fromhex("1e0000000000"), nexus=second)
    full.good(bytes.fromhex("1b0000000000"))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(-6, 6)), max_size=12))
def test_position_is_never_outside(tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, int]]) -> None:
    tape = other(Path(tmp_path_factory.mktemp("tape")) / "x")
    tape.write(b"a", 1, b"b", 3, b"c")
    for code, count in moves:
        tape.space(code, count)
        _, number, file = tape.where()
        assert 0 <= number <= 7
        assert 0 <= file <= 4
    assert tape.drive.faults == 0
    tape.cartridge.close()
