"""Labels: two copies, versions, and what does not fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tgtd.media.cartridge.label import (
    DATA,
    SLOT,
    Extent,
    Label,
    attributes,
    decode,
    encode,
    read,
    set_attributes,
    write,
)
from tgtd.media.problem import MediumError


def label(**more: object) -> Label:
    values = {"barcode": "A", "kind": "data", "density": 1, "capacity": 9, "segment": 1 << 20, "salt": "00" * 8}
    return Label(**{**values, "made": 0, "partitions": [Extent(9, 1, 2, 3, 4, [5], [6])], **more})  # type: ignore[arg-type]


def test_there_and_back() -> None:
    kept = label(protected=True, loads=3)
    set_attributes(kept, 1, {0x0801: (1, b"\0\xff"), 0x0802: (0, b"x")})
    set_attributes(kept, 1, {0x0802: (0, b"")})
    found = decode(encode(kept, 7).ljust(SLOT, b"\0"))
    assert found is not None
    assert (found[0], encode(found[1], 7)) == (7, encode(kept, 7))
    assert attributes(found[1], 1) == {0x0801: (1, b"\0\xff")}
    assert attributes(found[1], 0) == {}


def test_the_newer_one_counts(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, DATA)
    write(fd, label(barcode="old"), 4)
    write(fd, label(barcode="new"), 5)
    assert read(fd, "x")[1].barcode == "new"
    os.pwrite(fd, b"torn", SLOT + 50)
    assert (read(fd, "x")[0], read(fd, "x")[1].barcode) == (4, "old")
    os.close(fd)


def test_another_version_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, DATA)
    monkeypatch.setattr("tgtd.media.cartridge.label.VERSION", 2)
    write(fd, label(), 1)
    monkeypatch.undo()
    with pytest.raises(MediumError, match="it has format 2, and only 1 is known"):
        read(fd, "x")
    os.close(fd)


def test_a_label_has_an_end() -> None:
    kept = label()
    set_attributes(kept, 0, {0x1400: (0, bytes(SLOT))})
    with pytest.raises(OSError, match="label is full"):
        encode(kept, 1)


@pytest.mark.parametrize(
    "more",
    [
        {"segment": 0},
        {"segment": "large"},
        {"capacity": -1},
        {"capacity": True},
        {"salt": "00"},
        {"salt": "no digits"},
        {"kind": "card"},
        {"partitions": []},
        {"partitions": [Extent(9, segments=[1, 1])]},
        {"partitions": [Extent(9, segments=[1]), Extent(9, segments=[1])]},
        {"partitions": [Extent(9, segments=[4096])]},
        {"partitions": [Extent(9, segments=[-1])]},
        {"partitions": [Extent(9, pages=["x"])]},  # type: ignore[list-item]
        {"attributes": []},
        {"attributes": {"0": {"no digits": (1, "")}}},
        {"attributes": {"0": {"0801": (1, 5)}}},
        {"attributes": {"0": {"0801": (1.5, "QQ==")}}},
        {"attributes": {"0": {"0801": (4, "QQ==")}}},
        {"attributes": {"0": {"10801": (1, "QQ==")}}},
        {"written": -1},
        {"available": 1 << 60},
        {"drives": ["a"] * 5},
        {"drives": [5]},
        {"barcode": 5},
        {"barcode": ""},
        {"barcode": "A" * 33},
        {"barcode": "\n"},
        {"serial": 5},
        {"serial": None},
        {"protected": "no"},
        {"segment": 1 << 51},
        {"density": 256},
        {"loads": 1 << 32},
        {"made": 1 << 40},
        {"partitions": [Extent(9)] * 5},
        {"partitions": [Extent(0)]},
        {"partitions": [Extent(9, epoch=1 << 32)]},
        {"partitions": [Extent(9, end=(1 << 20) + 1, segments=[6])]},
    ],
)
def test_a_label_of_somebody_elses_making(tmp_path: Path, more: dict[str, object]) -> None:
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, DATA)
    write(fd, label(**more), 1)
    with pytest.raises(MediumError, match="its label cannot be understood"):
        read(fd, "x")
    os.close(fd)
