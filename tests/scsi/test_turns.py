"""tgtd.scsi.turns: exclusive turns run alone, in order, and let nobody starve."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tgtd.scsi.turns import Turns


class Room:
    """Who is in, by name; what starts is noted."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.inside: list[str] = []
        self.started: list[str] = []

    def enter(self, name: str, comes: bool = True) -> Callable[[], bool]:
        def start() -> bool:
            if comes:
                self.inside.append(name)
                self.started.append(name)
            return comes

        return start

    def leave(self, name: str) -> None:
        self.inside.remove(name)
        self.turns.end()


def test_shared_turns_overlap() -> None:
    room = Room()
    for name in "abc":
        room.turns.share(room.enter(name))
    assert room.inside == ["a", "b", "c"]
    assert not room.turns.closed


def test_exclusive_waits_for_what_began_by_itself() -> None:
    room = Room()
    room.turns.begin()
    room.turns.take(room.enter("X"))
    assert (room.inside, room.turns.closed) == ([], True)
    room.turns.end()
    assert room.inside == ["X"]


def test_exclusive_waits_and_holds() -> None:
    room = Room()
    room.turns.share(room.enter("a"))
    room.turns.take(room.enter("X"))
    room.turns.share(room.enter("b"))
    assert room.inside == ["a"]
    assert room.turns.closed
    room.leave("a")
    assert room.inside == ["X"]
    room.leave("X")
    assert room.inside == ["b"]
    assert not room.turns.closed


def test_one_that_does_not_come_holds_nobody() -> None:
    room = Room()
    room.turns.share(room.enter("a"))
    room.turns.take(room.enter("X", comes=False))
    room.turns.share(room.enter("b"))
    room.leave("a")
    assert room.inside == ["b"]
    assert not room.turns.closed


@given(st.lists(st.sampled_from(["share", "take", "absent", "end"]), max_size=60))
def test_never_two_where_one_is_alone(steps: list[str]) -> None:
    room = Room()
    asked: list[str] = []
    for number, step in enumerate(steps):
        if step == "end":
            if room.inside:
                room.leave(room.inside[0])
        else:
            name = f"{step}{number}"
            ask = room.turns.share if step == "share" else room.turns.take
            ask(room.enter(name, comes=step != "absent"))
            if step != "absent":
                asked.append(name)
        alone = [name for name in room.inside if name.startswith("take")]
        assert not alone or len(room.inside) == 1
    while room.inside:
        room.leave(room.inside[0])
    assert room.started == asked
    assert not room.turns.closed
