"""What is asked of workers is answered, by those who can, in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.crew.fakes import FakeMember
from tgtd.control import Unanswerable
from tgtd.crew import questions, speech
from tgtd.crew.questions import Questions
from tgtd.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    it = Loop()
    yield it
    it.close()


def say(asked: Questions, member: FakeMember, text: str | None, number: int = 1) -> None:
    """A piece, or with None the end."""
    row: dict[str, Any] = {"say": speech.ANSWERED, "question": number}
    if text is not None:
        row = {"say": speech.PIECE, "question": number, "text": text}
    asked.told(member, row)  # type: ignore[arg-type]


def test_all_answer(loop: Loop) -> None:
    asked, answers = Questions(loop), []
    one, two = FakeMember(1), FakeMember(2)
    asked.ask([one, two], speech.STATUS, answers.append)  # type: ignore[list-item]
    assert one.told == [("ask", 1, speech.STATUS, ())]
    say(asked, one, "a")
    say(asked, two, None)
    say(asked, one, "b")
    assert answers == []
    say(asked, one, None)
    say(asked, one, "too late")
    assert answers == [{1: "ab", 2: ""}]


def test_one_ends_in_the_middle_and_one_does_not_serve(loop: Loop) -> None:
    asked, answers = Questions(loop), []
    one, two, three = FakeMember(1), FakeMember(2), FakeMember(3, serving=False)
    asked.ask([one, two, three], speech.STATUS, answers.append)  # type: ignore[list-item]
    assert three.told == []
    say(asked, one, "half of it")
    asked.lost(one)  # type: ignore[arg-type]
    say(asked, two, "all")
    say(asked, two, None)
    assert answers == [{1: None, 2: "all", 3: None}]


def test_one_is_silent(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "PATIENCE", 0.02)
    asked, answers = Questions(loop), []
    one, two = FakeMember(1), FakeMember(2)
    asked.ask([one, two], speech.STATUS, answers.append)  # type: ignore[list-item]
    say(asked, one, "x")
    say(asked, one, None)
    deadline = time.monotonic() + 10
    while not answers:
        assert time.monotonic() < deadline
        loop.turn(0.02)
    assert answers == [{1: "x", 2: None}]


def test_nobody_is_there(loop: Loop) -> None:
    asked, answers = Questions(loop), []
    asked.ask([FakeMember(1, serving=False)], speech.STATUS, answers.append)  # type: ignore[list-item]
    loop.turn(0)
    assert answers == [{1: None}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"cleared": true}', {"cleared": True}), ('{"error": "no LUN 7"}', "no LUN 7"), (None, "does not answer")],
)
def test_clear(loop: Loop, text: str | None, expected: object) -> None:
    asked, replies = Questions(loop), []
    one = FakeMember(1)
    asked.of_target([one], speech.CLEAR, "iqn.x", (7,), replies.append)  # type: ignore[list-item]
    assert one.told == [("ask", 1, speech.CLEAR, ("iqn.x", 7))]
    if text is None:
        asked.lost(one)  # type: ignore[arg-type]
    else:
        say(asked, one, text)
        say(asked, one, None)
    (reply,) = replies
    if isinstance(expected, str):
        assert isinstance(reply, Unanswerable)
        assert expected in str(reply)
    else:
        assert reply == expected


def test_clear_where_nothing_is(loop: Loop) -> None:
    replies: list[object] = []
    Questions(loop).of_target([], speech.CLEAR, "iqn.x", (7,), replies.append)
    assert "there is no target iqn.x" in str(replies[0])
