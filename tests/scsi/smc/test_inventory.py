"""Moves and reconciliation as data."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scsi.smc.library import LAYOUT
from tgtd.scsi.sense import CheckCondition
from tgtd.scsi.smc.inventory import ElementType, Inventory, Layout, Range, Resting, reconcile

ADDRESSES = st.sampled_from([address for address in LAYOUT.addresses() if address != 1])


@given(st.lists(st.tuples(ADDRESSES, ADDRESSES)))
def test_no_move_loses_or_doubles_a_volume(moves: list[tuple[int, int]]) -> None:
    inventory = Inventory({1000: Resting("a"), 1001: Resting("b"), 10: Resting("c", None, True)})
    for source, destination in moves:
        try:
            inventory = inventory.moved(LAYOUT, source, destination)
        except CheckCondition:
            continue
        assert inventory.at(destination) is not None
    assert sorted(volume.barcode for volume in inventory.contents.values()) == ["a", "b", "c"]
    assert Inventory.decode(inventory.encode()) == inventory


def test_a_volume_remembers_its_slot() -> None:
    inventory = Inventory({1003: Resting("a", None, True)}).moved(LAYOUT, 1003, 500)
    assert inventory.at(500) == Resting("a", 1003, False)
    inventory = inventory.moved(LAYOUT, 500, 501)
    assert inventory.at(501) == Resting("a", 1003)
    assert inventory.find("a") == 501
    assert inventory.find("b") is None


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"1", b'{"x": 1}', b'{"elements": {"1": ["a"]}, "exported": []}', b"\xff"]
)
def test_what_is_no_inventory(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Inventory.decode(text)


def test_what_is_remembered_wins() -> None:
    remembered = Inventory({501: Resting("a", 1000), 1001: Resting("gone")})
    found = reconcile(LAYOUT, ("a", "b", "c", "b"), remembered)
    assert {at: one.barcode for at, one in found.inventory.contents.items()} == {501: "a", 1000: "b", 1001: "c"}
    assert found.homeless == ()


def test_no_room_and_taken_out() -> None:
    wished = [f"t{number}" for number in range(8)]
    found = reconcile(LAYOUT, wished, Inventory(exported=("t0", "old")))
    assert found.homeless == ("t7",)
    assert found.inventory.find("t0") is None
    assert found.inventory.exported == ("t0",)


def test_a_smaller_library() -> None:
    """A volume whose element is gone gets another one."""
    found = reconcile(LAYOUT, ("a",), Inventory({1099: Resting("a")}))
    assert found.inventory.contents == {1000: Resting("a")}


def test_out_and_in_again() -> None:
    inventory = Inventory({1000: Resting("a")}).taken(1000)
    assert inventory == Inventory({}, ("a",))
    assert Inventory.decode(inventory.encode()) == inventory
    assert inventory.brought(10, "a", by_hand=True) == Inventory({10: Resting("a", None, True)})
    for impossible in (lambda: inventory.taken(1000), lambda: Inventory({10: Resting("b")}).brought(10, "a", True)):
        with pytest.raises(CheckCondition):
            impossible()


@pytest.mark.parametrize(
    "ranges",
    [
        (
            Range(ElementType.TRANSPORT, 1, 1),
            Range(ElementType.STORAGE, 1, 6),
            Range(ElementType.PORT, 10, 0),
            Range(ElementType.DRIVE, 500, 2),
        ),
        (
            Range(ElementType.TRANSPORT, 0, 1),
            Range(ElementType.STORAGE, 1, 6),
            Range(ElementType.PORT, 10, 0),
            Range(ElementType.DRIVE, 500, 2),
        ),
        (
            Range(ElementType.TRANSPORT, 1, 1),
            Range(ElementType.STORAGE, 2, 70000),
            Range(ElementType.PORT, 0, 0),
            Range(ElementType.DRIVE, 0, 0),
        ),
    ],
)
def test_layouts_that_cannot_be(ranges: tuple[Range, Range, Range, Range]) -> None:
    with pytest.raises(ValueError, match="element"):
        Layout(*ranges)


def test_a_library_of_the_largest_size_is_looked_at_at_once() -> None:
    """It is done in the loop thread, every few seconds."""
    count = 10_000
    layout = Layout(
        Range(ElementType.TRANSPORT, 1, 1),
        Range(ElementType.STORAGE, 100, count),
        Range(ElementType.PORT, 2, 0),
        Range(ElementType.DRIVE, 10, 1),
    )
    wished = [f"A{number:05d}L8" for number in range(count)]
    begun = time.monotonic()
    first = reconcile(layout, wished, Inventory(exported=tuple(f"B{number:05d}L8" for number in range(count))))
    assert reconcile(layout, wished, first.inventory) == first
    assert time.monotonic() - begun < 3
