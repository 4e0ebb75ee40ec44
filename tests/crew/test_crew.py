"""The crew from the main process's side: who gets which connection, and what counts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crew.fakes import FakeMember, config, iqn
from tests.inside import Inside
from tgtd.apply import Outcome
from tgtd.config.plan import diff
from tgtd.crew import crew as module
from tgtd.crew.crew import Crew
from tgtd.net.iscsi.handover import Parcel

A, B = iqn("a"), iqn("b")


class Recruit(FakeMember):
    """A member without a process, which serves when the test says so."""

    def __init__(self, loop: Any, number: int, owner: Any) -> None:
        super().__init__(number, serving=False)
        self.owner = owner

    def start(self) -> None:
        self.told.append(("start",))

    def beat(self) -> None:
        self.told.append(("beat",))

    def close(self) -> None:
        self.pid = None

    def stop(self, timeout: float) -> None:
        self.stopping = True
        self.told.append(("stop", timeout))

    def serve(self) -> None:
        self.serving = True
        self.owner.serves(self)

    def end(self) -> None:
        self.serving = False
        self.owner.ended(self)

    def as_dict(self, targets: int) -> dict[str, object]:
        return {"number": self.number, "targets": targets}


class Yard:
    def __init__(self, place: Path) -> None:
        self.site = Inside(place)
        self.service = self.site.service
        self.crew = Crew(self.site.loop, self.site.tree, 2, lambda number: None, lambda _: None)  # type: ignore[arg-type,return-value]
        self.one, self.two = self.crew.members
        self.outcomes: list[Outcome] = []
        self.parted: list[str] = []
        self.service.parted = self.parted.append  # type: ignore[method-assign]

    def begin(self, *targets: tuple[str, list[str]]) -> None:
        wanted = config(self.site.place / "conf", *targets)
        self.site.loop.call_soon(self.crew.transaction(wanted, diff(None, wanted), self.outcomes.append).start)

    def turn_until(self, true: Callable[[], object]) -> None:
        self.site.turn_until(lambda: bool(true()))

    def parcel(self, target: str, since: float | None = None) -> tuple[Parcel, socket.socket]:
        ours, theirs = socket.socketpair()
        return Parcel(target, ours, b"login", 0, self.site.loop.time() if since is None else since), theirs


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(module, "Member", Recruit)
    it = Yard(tmp_path)
    yield it
    it.crew.close()
    it.site.close()


def launched(yard: Any) -> None:
    yard.begin(("a", ["1"]), ("b", ["2"]))
    yard.turn_until(lambda: yard.one.told)
    yard.one.serve()
    yard.two.serve()
    yard.turn_until(lambda: yard.outcomes)


def test_it_is_ready_when_all_serve(yard: Any) -> None:
    yard.begin(("a", ["1"]), ("b", ["2"]))
    yard.turn_until(lambda: yard.one.told)
    yard.one.serve()
    yard.site.loop.turn(0)
    assert yard.outcomes == []
    assert yard.service.targets == {}
    yard.two.serve()
    yard.turn_until(lambda: yard.outcomes)
    assert yard.outcomes[0].errors == ()
    assert sorted(yard.service.targets) == [A, B]
    assert all(not target.units for target in yard.site.tree.targets.values())


def test_a_connection_goes_to_its_targets_worker(yard: Any) -> None:
    launched(yard)
    parcel, peer = yard.parcel(B)
    yard.service.courier(parcel, "10.0.0.7")
    assert yard.one.verbs()[-1] != "adopt"
    assert yard.two.told[-1][:5] == ("adopt", B, b"login", 0, parcel.since)
    assert yard.crew.census().connections == 1
    yard.crew.told(yard.two, {"say": "ended", "connection": yard.two.told[-1][5]})
    assert yard.parted == ["10.0.0.7"]
    assert yard.crew.census().connections == 0
    peer.close()


def test_connections_of_one_that_ends(yard: Any) -> None:
    """They are lost, and count no more; what comes now waits for the next one, but not for ever."""
    launched(yard)
    first, peer = yard.parcel(A)
    yard.service.courier(first, "10.0.0.7")
    yard.one.end()
    assert yard.parted == ["10.0.0.7"]
    second, other = yard.parcel(A)
    yard.service.courier(second, "10.0.0.8")
    late, third = yard.parcel(A, since=yard.site.loop.time() - 1000)
    yard.service.courier(late, "10.0.0.9")
    yard.crew._beat()  # as the timer does
    assert yard.parted == ["10.0.0.7", "10.0.0.9"]
    assert third.recv(1) == b""
    yard.one.serve()
    assert yard.one.told[-1][:3] == ("adopt", A, b"login")
    for each in (peer, other, third):
        each.close()


def test_sessions_of_others_count(yard: Any) -> None:
    launched(yard)
    yard.one.census.sessions = 3
    yard.two.census.sessions = 4
    yard.crew.told(yard.one, {"say": "count", "sessions": 3})
    assert yard.service.elsewhere == 7
    parcel, peer = yard.parcel(A)
    yard.service.courier(parcel, "10.0.0.7")
    assert yard.one.told[-1][-1] == 4, "those that the others have"
    peer.close()


def test_moves_are_told_before(yard: Any) -> None:
    launched(yard)
    same = config(yard.site.place / "conf", ("a", ["1"]), ("b", ["2"]))
    assert yard.crew.moves(same) == {}


def test_stop(yard: Any) -> None:
    launched(yard)
    done: list[str] = []
    yard.one.end()
    parcel, peer = yard.parcel(A)
    yard.service.courier(parcel, "10.0.0.7")
    yard.crew.stop(3, lambda: done.append("done"))
    assert peer.recv(1) == b"", "nobody will take it any more"
    assert yard.one.told[-1] == yard.two.told[-1] == ("stop", 3)
    yard.one.pid = yard.two.pid = None
    yard.two.end()
    yard.turn_until(lambda: done)
    peer.close()


def test_one_that_says_what_nobody_understands(yard: Any) -> None:
    with pytest.raises(ValueError, match="no such word"):
        yard.crew.told(yard.one, {"say": "hello"})
