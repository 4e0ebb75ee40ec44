"""Which generation reads and writes which (LTO)."""

from __future__ import annotations

import pytest

from tgtd.scsi.ssc.personality import LTO, LTO_10P, PERSONALITIES


@pytest.mark.parametrize(
    ("name", "reads", "writes"),
    [
        ("lto-1", [1], [1]),
        ("lto-2", [2, 1], [2, 1]),
        ("lto-5", [5, 4, 3], [5, 4]),
        ("lto-7", [7, 6, 5], [7, 6]),
        ("lto-8", [8, 7], [8, 7]),
        ("lto-9", [9, 8], [9, 8]),
    ],
)
def test_generations(name: str, reads: list[int], writes: list[int]) -> None:
    drive = PERSONALITIES[name]
    codes = [LTO[number - 1].code for number in reads]
    assert [density.code for density in drive.densities] == codes
    assert drive.writes == {LTO[number - 1].code for number in writes}
    assert drive.density(codes[0]) is drive.densities[0]
    assert drive.density(0xFF) is None
    assert len(drive.product) <= 16
    assert all(len(one.name) <= 8 and one.medium <= 0xFF for one in drive.densities)


def test_generation_10() -> None:
    """Its digit in the product's name, and two cartridges, of which the smaller one is the usual."""
    drive = PERSONALITIES["lto-10"]
    assert drive.product == "ULT3580-TDA"
    assert PERSONALITIES["lto-9"].product == "ULT3580-TD9"
    assert drive.densities == (LTO[9], LTO_10P)
    assert drive.writes == {0x62, 0x63}
    assert (LTO[9].medium, LTO_10P.medium) == (0xA8, 0xA9)
    length = 1337 / 1035
    assert LTO_10P.tracks * LTO_10P.bits_per_mm * length / LTO[9].tracks / LTO[9].bits_per_mm == pytest.approx(
        LTO_10P.capacity / LTO[9].capacity, rel=0.01
    )
