"""Which generation reads and writes which (LTO)."""

from __future__ import annotations

import pytest

from tgtd.scsi.ssc.personality import LTO, PERSONALITIES


@pytest.mark.parametrize(
    ("name", "reads", "writes"),
    [
        ("lto-1", [1], [1]),
        ("lto-2", [2, 1], [2, 1]),
        ("lto-5", [5, 4, 3], [5, 4]),
        ("lto-7", [7, 6, 5], [7, 6]),
        ("lto-8", [8, 7], [8, 7]),
        ("lto-9", [9, 8], [9, 8]),
        ("lto-10", [10], [10]),
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
