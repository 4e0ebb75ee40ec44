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
    assert (None if found is None else (found[0], found[1])) == (said and (GENERATIONS[said[0]], said[1]))


def test_the_larger_cartridge() -> None:
    found = by_barcode("A00001PA")
    assert found is not None
    assert (found[0].name, found[0].density, found[0].capacity, found[1]) == ("LTO-10P", 0x63, 40 * 10**12, "data")
    assert by_barcode("CLN001PA") == (GENERATIONS[1], "clean")
    assert [one.name for one in GENERATIONS.values()] == [f"LTO-{number}" for number in range(1, 11)]


def test_capacities_rise() -> None:
    capacities = [one.capacity for one in GENERATIONS.values()]
    assert capacities == sorted(capacities)
    assert capacities[7] == 12 * 10**12
