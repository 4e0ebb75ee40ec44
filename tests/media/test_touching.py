"""tgtd.media.touching: what filters do before a verb is passed on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tgtd.media.ram import RamMedium
from tgtd.media.touching import VERBS, Touching

Touched = list[tuple[str, int, int]]


class Noting(Touching):
    def __init__(self, *verbs: str) -> None:
        super().__init__(RamMedium(1 << 20), verbs)
        self.touched: Touched = []

    def before(self, verb: str, offset: int, length: int) -> None:
        self.touched.append((verb, offset, length))


CALLS: dict[str, Callable[[Noting], object]] = {
    "read": lambda m: m.read(4096, memoryview(bytearray(512))),
    "write": lambda m: m.write(4096, bytes(512), False),
    "flush": lambda m: m.flush(),
    "discard": lambda m: m.discard(4096, 512),
    "zero": lambda m: m.zero(4096, 512, False),
    "extents": lambda m: list(m.extents(4096, 512)),
}


@pytest.mark.parametrize("verb", VERBS)
def test_it_touches_its_verbs_only(verb: str) -> None:
    medium, other = Noting(verb), Noting(*(name for name in VERBS if name != verb))
    CALLS[verb](medium)
    CALLS[verb](other)
    assert medium.touched == [(verb, *((0, 0) if verb == "flush" else (4096, 512)))]
    assert other.touched == []


def test_none_given_is_all() -> None:
    medium = Noting()
    for call in CALLS.values():
        call(medium)
    assert [verb for verb, _, _ in medium.touched] == list(VERBS)


def test_nothing_is_done_in_the_loop_that_is_to_be_touched() -> None:
    medium, into = Noting("read", "write"), memoryview(bytearray(512))
    assert not medium.read_now(0, into)
    assert not medium.write_now(0, bytes(512))
    medium.reading(0, into)()
    medium.writing(512, bytes(512), True)()
    assert medium.touched == [("read", 0, 512), ("write", 512, 512)]
    other = Noting("flush")
    assert other.write_now(0, b"x" * 512)
    assert other.read_now(0, into)
    other.reading(0, into)()
    other.writing(0, bytes(512), True)()
    assert (bytes(into), other.touched) == (b"x" * 512, [])


def test_to_anchor_is_to_discard() -> None:
    """And to ask what is anchored is to ask for extents."""
    medium = Noting("discard", "extents")
    with pytest.raises(OSError, match="not supported"):
        medium.anchor(4096, 512)
    assert list(medium.anchored(8192, 512)) == []
    assert medium.touched == [("discard", 4096, 512), ("extents", 8192, 512)]
