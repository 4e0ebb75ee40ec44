"""tgtd.scsi.spc.identifying: what one client names a unit, the others are told."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Bench, pointer_of, sense_of
from tgtd.scsi.sense import (
    DEVICE_IDENTIFIER_CHANGED,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
)
from tgtd.scsi.target import TaskManagement, encode_lun

BINARY, TEXT = 0, 2


def report(kind: int, room: int = 1024) -> bytes:
    return bytes((0xA3, 5, 0, 0, 0, 0)) + room.to_bytes(4, "big") + bytes((kind << 1, 0))


def change(kind: int, length: int) -> bytes:
    return bytes((0xA4, 6, 0, 0, 0, 0)) + length.to_bytes(4, "big") + bytes((kind << 1, 0))


def make() -> Bench:
    bench = Bench()
    bench.disk()
    bench.ready()
    return bench


def named(bench: Bench, kind: int) -> bytes:
    answer = bench.good(report(kind))
    assert int.from_bytes(answer[:4], "big") == len(answer) - 4
    return answer[4:]


@pytest.mark.parametrize(("kind", "name"), [(BINARY, b"\0\1\xff"), (TEXT, "Müller\0".encode()), (BINARY, bytes(512))])
def test_a_name(kind: int, name: bytes) -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    assert named(bench, kind) == b""
    bench.good(change(kind, len(name)), name)
    assert named(bench, kind) == name
    assert named(bench, TEXT - kind) == b""
    assert bench.refused(bytes(6), nexus=other) == DEVICE_IDENTIFIER_CHANGED[:3]
    bench.good(change(kind, len(name)), name)
    bench.good(bytes(6), nexus=other)  # no change, no news
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    assert named(bench, kind) == name
    assert bench.good(report(kind, 3)) == b"\0\0" + len(name).to_bytes(2, "big")[:1]
    bench.good(change(kind, 0))
    assert named(bench, kind) == b""


def test_what_is_supported() -> None:
    assert make().good(report(0x7F)).hex() == "0000" + "0008" + "00000200" + "04000100"


@pytest.mark.parametrize("kind", [1, 3, 4, 0x7E])
def test_types_that_are_not_there(kind: int) -> None:
    bench = make()
    for cdb in (report(kind), change(kind, 1)):
        task = bench.run(cdb, b"x" if cdb[0] == 0xA4 else None)
        assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
        assert pointer_of(task) == (True, 10, 7)
    assert pointer_of(bench.run(change(0x7F, 0))) == (True, 10, 7)


@pytest.mark.parametrize(("kind", "length"), [(BINARY, 513), (TEXT, 257), (BINARY, 0xFFFFFFFF)])
def test_names_that_are_too_long(kind: int, length: int) -> None:
    task = make().run(change(kind, length), bytes(600))
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, 6, 7)


@pytest.mark.parametrize(("text", "field"), [(b"abc", 2), (b"a\0b\0", 1), (b"ab\xff\0", 2)])
def test_text_that_is_wrong(text: bytes, field: int) -> None:
    bench = make()
    task = bench.run(change(TEXT, len(text)), text)
    assert sense_of(task) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
    assert pointer_of(task)[:2] == (False, field)
    assert named(bench, TEXT) == b""


def test_less_than_announced() -> None:
    assert make().refused(change(BINARY, 4), b"abc") == PARAMETER_LIST_LENGTH_ERROR[:3]
