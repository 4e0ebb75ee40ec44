"""What barcodes say."""

from __future__ import annotations

import pytest

from tgtd.media.cartridge.generation import GENERATIONS, by_barcode


@pytest.mark.parametrize(
    ("barcode", "said"),
    [
        ("A00001L1", (1, "data")),
        ("A00001L9", (9, "data")),
        ("A00001LA", (10, "data")),
        ("CLN001L5", (5, "clean")),
        ("A00001LW", (6, "worm")),
        ("A00001LH", (10, "worm")),
        ("CLNU01CU", (1, "clean")),
        ("CLNU01", (1, "clean")),
        ("A00001M8", None),
        ("A00001", None),
        ("L0", None),
        ("", None),
    ],
)
def test_suffixes(barcode: str, said: tuple[int, str] | None) -> None:
    found = by_barcode(barcode)
    assert (None if found is None else (found[0].number, found[1])) == said


def test_capacities_rise() -> None:
    capacities = [one.capacity for one in GENERATIONS.values()]
    assert capacities == sorted(capacities)
    assert capacities[7] == 12 * 10**12
