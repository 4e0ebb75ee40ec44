from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgtd.config.problem import Mistake
from tgtd.config.size import UNITS, parse_size, show_size


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (4096, 4096),
        ("512 B", 512),
        ("100 GiB", 100 << 30),
        ("100GiB", 100 << 30),
        ("1 TB", 10**12),
        ("1 TiB", 1 << 40),
        ("1.5 MiB", 1572864),
        ("1 kB", 1000),
        ("1 KiB", 1024),
        ("2 EiB", 2 << 60),
    ],
)
def test_sizes(written: int | str, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    ("written", "problem", "fix"),
    [
        ("100 G", "may mean two things", 'write "100 GiB" (2^30 bytes each) or "100 GB" (10^9)'),
        ("100 gb", "may mean two things", 'write "100 GiB" (2^30 bytes each) or "100 GB" (10^9)'),
        ("5K", "may mean two things", 'write "5 KiB" (2^10 bytes each) or "5 kB" (10^3)'),
        ("100", "has no unit", 'write 100 without quotes for bytes, or a unit as in "100 GiB"'),
        ("1 block", "is not a unit of size", "write one of B, KiB, MiB, GiB, TiB, PiB, EiB, kB, MB, GB, TB, PB, EB"),
        ("", "is not a size", 'write a number and a unit, such as "100 GiB"'),
        ("-1 GiB", "is not a size", 'write a number and a unit, such as "100 GiB"'),
        ("1,5 GiB", "is not a size", 'write a number and a unit, such as "100 GiB"'),
        ("0.3 B", "is not a whole number of bytes", 'write "0 B" or a smaller unit'),
    ],
)
def test_refused_with_a_hint(written: str, problem: str, fix: str) -> None:
    with pytest.raises(Mistake, match=re.escape(problem)) as caught:
        parse_size(written)
    assert caught.value.fix == fix


@given(st.integers(0, 10**6), st.integers(0, 999), st.sampled_from(sorted(UNITS)))
def test_any_number_and_unit(whole: int, thousandths: int, unit: str) -> None:
    exact = (whole + Fraction(thousandths, 1000)) * UNITS[unit]
    text = f"{whole}.{thousandths:03} {unit}"
    if exact.denominator == 1:
        assert parse_size(text) == exact
    else:
        with pytest.raises(Mistake):
            parse_size(text)


@given(st.text(max_size=20))
def test_any_text_is_a_size_or_a_mistake(text: str) -> None:
    try:
        said: int | str = parse_size(text)
    except Mistake as mistake:
        said = mistake.fix
    assert said or text.startswith("0")


@given(st.integers(1, 1 << 62))
def test_shown_exactly(size: int) -> None:
    shown = show_size(size)
    assert parse_size(shown.replace("bytes", "B")) == size


def test_shown_short() -> None:
    assert show_size(100 << 30) == "100 GiB"
    assert show_size(1000) == "1000 bytes"
