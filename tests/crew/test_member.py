"""A place in the crew: filled again and again, with patience, and never by one that talks nonsense."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.crew.fakes import config
from tgtd.config.plan import Plan
from tgtd.crew import member
from tgtd.crew.member import Member
from tgtd.crew.speech import Hire
from tgtd.loop import Loop
from tgtd.status import Census


class FakeProcess:
    """One that does nothing of itself."""

    made: ClassVar[list[FakeProcess]] = []

    def __init__(self, loop: Loop, heard: Callable[[bytes], None], ended: Callable[[str], None]) -> None:
        self.heard = heard
        self.ended = ended
        self.channel = self
        self.pid = 1000 + len(FakeProcess.made)
        self.status: int | None = None
        self.sent: list[tuple[Any, ...]] = []
        self.killed: list[str] = []
        FakeProcess.made.append(self)

    def send(self, message: bytes, sock: object = None) -> None:
        self.sent.append(pickle.loads(message))

    def kill(self, why: str) -> None:
        self.killed.append(why)

    def close(self) -> None:
        self.status = -9

    def say(self, say: str, **what: object) -> None:
        self.heard(json.dumps({"say": say, **what}).encode())

    def end(self, status: int = -9) -> None:
        self.status = status
        self.ended(f"was killed by signal {-status}")

    def verbs(self) -> list[str]:
        return [each[0] for each in self.sent]


class Owner:
    """The crew, as a member knows it."""

    def __init__(self, place: Path) -> None:
        self.settings = config(place).daemon
        self.place = place
        self.calls: list[str] = []
        self.rows: list[Any] = []

    def hire(self, number: int) -> Hire:
        return Hire(number, 2, b"i" * 16, self.place, self.settings, None)

    def outset(self, number: int) -> Plan:
        return Plan(())

    def serves(self, member: Member) -> None:
        self.calls.append("serves")

    def ended(self, member: Member) -> None:
        self.calls.append("ended")

    def told(self, member: Member, row: Any) -> None:
        if row["say"] == "odd":
            raise ValueError("odd")
        self.rows.append(row)


class Desk:
    def __init__(self, place: Path) -> None:
        FakeProcess.made = []
        self.loop = Loop()
        self.owner = Owner(place)
        self.member = Member(self.loop, 1, self.owner)
        self.delays: list[float] = []

    @property
    def process(self) -> FakeProcess:
        return FakeProcess.made[-1]

    def serve(self) -> None:
        errand = self.process.sent[-1][1]
        self.process.say("ready", errand=errand, errors=[])
        self.process.say("done", errand=errand, errors=[], warnings=[], census={"luns": 3})


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(member, "Process", FakeProcess)
    it = Desk(tmp_path)
    later = it.loop.call_later
    monkeypatch.setattr(it.loop, "call_later", lambda delay, call: (it.delays.append(delay), later(0, call))[1])
    it.member.start()
    yield it
    it.loop.close()


def test_it_takes_up_its_service(desk: Desk) -> None:
    assert desk.process.verbs() == ["hire", "prepare"]
    assert desk.member.state == "starting"
    desk.serve()
    assert desk.process.verbs() == ["hire", "prepare", "commit"]
    assert desk.member.state == "running"
    assert desk.owner.calls == ["serves"]
    assert desk.member.census.luns == 3


def test_it_is_started_again_each_time_later(desk: Desk) -> None:
    for expected in (0.1, 0.2, 0.4, 0.8):
        desk.process.end()
        assert desk.member.state == "waiting"
        assert desk.delays[-1] == pytest.approx(expected)
        desk.loop.turn(0)
    assert len(FakeProcess.made) == 5
    assert desk.member.restarts == 4
    assert "process 1003 was killed by signal 9" in desk.member.cause
    for _ in range(20):
        desk.process.end()
        desk.loop.turn(0)
    assert max(desk.delays) == 30


def test_one_that_served_for_long_is_started_again_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.process.end()
    desk.loop.turn(0)
    desk.serve()
    began = member.time.monotonic()
    monkeypatch.setattr(member.time, "monotonic", lambda: began + 61)
    desk.process.end()
    assert desk.delays[-1] == pytest.approx(0.1)
    assert not desk.member.serving
    assert desk.member.census == Census()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff",
        b"[]",
        b"7",
        b'{"say": "odd"}',
        b"{}",
        b'{"say": "pong"}',
        b'{"say": "count", "sessions": "x"}',
        b"[" * 9999,
    ],
)
def test_nonsense_is_its_end(desk: Desk, nonsense: bytes) -> None:
    desk.process.heard(nonsense)
    assert desk.process.killed == ["what it said made no sense"]


def test_it_hangs(desk: Desk) -> None:
    desk.serve()
    for _ in range(member.SILENT + 1):
        desk.member.beat()
    assert desk.member.state == "silent"
    desk.process.say("pong", census={})
    assert desk.member.state == "running"
    for _ in range(member.HUNG):
        desk.member.beat()
    assert desk.process.killed == []
    desk.member.beat()
    assert desk.process.killed == ["it did not answer for 16 s"]


def test_one_that_starts_has_more_time(desk: Desk) -> None:
    for _ in range(member.STARTING):
        desk.member.beat()
    assert desk.process.killed == []
    desk.member.beat()
    assert len(desk.process.killed) == 1


def test_what_it_cannot_begin_with_is_its_end(desk: Desk) -> None:
    desk.process.say("refused", errand=1, errors=["fault"])
    assert desk.process.killed == ["fault"]


def test_another_configuration_before_it_serves(desk: Desk) -> None:
    desk.member.renew()
    assert desk.process.verbs() == ["hire", "prepare", "cancel", "prepare"]
    desk.process.say("ready", errand=1, errors=[])  # of the one that was cancelled
    assert not desk.member.serving
    desk.serve()
    assert desk.member.serving
    desk.member.renew()
    assert desk.process.verbs().count("prepare") == 2


def test_it_is_not_started_again_when_it_stops(desk: Desk) -> None:
    desk.serve()
    desk.member.stop(5)
    assert desk.process.sent[-1] == ("stop", 5)
    desk.process.end(0)
    desk.loop.turn(0)
    assert len(FakeProcess.made) == 1
    assert desk.member.last_status == 0
    assert desk.owner.calls == ["serves", "ended"]


def test_a_part_that_is_lost_with_it(desk: Desk) -> None:
    desk.serve()
    lost: list[str] = []
    desk.member.prepare(Plan(()), frozenset(), lambda _: None, lambda _: None, lambda: lost.append("lost"))
    desk.process.end()
    assert lost == ["lost"]


def test_a_part_that_fails_although_it_was_ready(desk: Desk) -> None:
    desk.serve()
    lost: list[str] = []
    desk.member.prepare(Plan(()), frozenset(), lambda _: None, lambda _: None, lambda: lost.append("lost"))
    desk.member.commit()
    desk.process.say("done", errand=2, errors=["fault"], warnings=[], census={})
    assert desk.process.killed == ["it could not do its part: fault"]
    assert lost == ["lost"]


def test_as_dict(desk: Desk) -> None:
    desk.process.end()
    assert desk.member.as_dict(4) == {
        "number": 1,
        "pid": None,
        "state": "waiting",
        "targets": 4,
        "restarts": 1,
        "cause": "process 1000 was killed by signal 9",
    }
