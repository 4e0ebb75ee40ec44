"""Columns, sizes and durations for humans."""

from __future__ import annotations

import pytest

from tgtd.cli import layout


def test_columns_are_aligned() -> None:
    assert layout.columns([("A", "LONG", "C"), ("xyz", "b", "")], indent=" ") == " A    LONG  C\n xyz  b"
    assert layout.columns([]) == ""


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1 << 10, "1 KiB"),
        (3 << 19, "1.5 MiB"),
        (100 << 30, "100 GiB"),
        (1 << 40, "1 TiB"),
        (1 << 60, "1024 PiB"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert layout.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (3.9, "3 s"), (125, "2 min 5 s"), (3600, "1 h"), (90061, "1 d 1 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert layout.duration(seconds) == text


def test_counts() -> None:
    assert [layout.count(n, "target") for n in (0, 1, 2)] == ["0 targets", "1 target", "2 targets"]
