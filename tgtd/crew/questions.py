"""What the main process asks its workers: all of them at once, with a bound on how long an answer is waited for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tgtd.control import Result, Unanswerable
from tgtd.crew import speech
from tgtd.crew.member import Member
from tgtd.loop import Loop, Timer

PATIENCE = 5.0
"""Seconds until a worker that has not answered counts as one that does not."""

Answers = Mapping[int, str | None]
"""The answer of each worker by its number: JSON text; None: there is none."""


@dataclass(slots=True)
class _Question:
    """texts: what has come of those that have begun to answer. left: who is to answer yet."""

    texts: dict[int, list[str] | None]
    left: set[int]
    then: Callable[[Answers], None]
    timer: Timer


class Questions:
    """Those that are not answered yet."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._last = 0
        self._open: dict[int, _Question] = {}

    def ask(
        self, members: Iterable[Member], topic: str, then: Callable[[Answers], None], arguments: tuple[object, ...] = ()
    ) -> None:
        """`then(answers)` once, from the loop; who does not serve is not asked."""
        self._last += 1
        number = self._last
        members = list(members)
        asked = [member for member in members if member.serving]
        timer = self._loop.call_later(PATIENCE, partial(self._late, number))
        texts: dict[int, list[str] | None] = {member.number: None for member in members}
        self._open[number] = _Question(texts, {member.number for member in asked}, then, timer)
        for member in asked:
            member.send("ask", number, topic, arguments)
        if not asked:
            self._loop.call_soon(partial(self._late, number))

    def of_target(
        self,
        members: list[Member],
        topic: str,
        target: object,
        arguments: tuple[object, ...],
        reply: Callable[[Result], None],
    ) -> None:
        """Ask the one worker that has a target (members: it, or nobody) about it. `Unanswerable` is an answer too."""

        def answered(answers: Answers) -> None:
            text = next((text for text in answers.values() if text), None)
            answer = json.loads(text or '{"error": "its worker does not answer now; try again"}')
            reply(Unanswerable(answer["error"]) if "error" in answer else answer)

        if members:
            self.ask(members, topic, answered, (target, *arguments))
        else:
            reply(Unanswerable(f"there is no target {target}; tgtctl status lists them"))

    def told(self, member: Member, row: Mapping[str, Any]) -> None:
        """A piece of an answer, or its end. One that comes too late is dropped."""
        question = self._open.get(row["question"])
        if question is None or member.number not in question.left:
            return
        if row["say"] == speech.PIECE:
            text = question.texts[member.number] or []
            text.append(str(row["text"]))
            question.texts[member.number] = text
        else:
            question.texts[member.number] = question.texts[member.number] or []
            self._answered(row["question"], member.number)

    def lost(self, member: Member) -> None:
        """It has ended: what it began to say is worth nothing."""
        for number, question in list(self._open.items()):
            if member.number in question.left:
                question.texts[member.number] = None
                self._answered(number, member.number)

    def _answered(self, number: int, member: int) -> None:
        question = self._open[number]
        question.left.discard(member)
        if not question.left:
            self._end(number)

    def _late(self, number: int) -> None:
        question = self._open.get(number)
        if question is not None:
            for member in question.left:
                question.texts[member] = None
            self._end(number)

    def _end(self, number: int) -> None:
        question = self._open.pop(number)
        question.timer.cancel()
        texts = question.texts
        question.then({member: None if text is None else "".join(text) for member, text in texts.items()})
