"""One plan, many processes: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from tests.crew.fakes import FakeMember
from tgtd.apply import Concert, Outcome
from tgtd.config.plan import Plan
from tgtd.crew import venture
from tgtd.crew.parts import Parts
from tgtd.crew.venture import Venture
from tgtd.loop import Loop

EMPTY = Plan(())


class FakeTransaction:
    """The main process's own part. broken: its commit fails."""

    made: ClassVar[list[FakeTransaction]] = []

    def __init__(self, tree: Any, plan: Plan, changed: Any, then: Callable[[Outcome], None], concert: Concert) -> None:
        self.then = then
        self.concert = concert
        self.broken = False
        self.calls: list[str] = []
        FakeTransaction.made.append(self)

    def start(self) -> None:
        self.concert.ready()

    def commit(self) -> None:
        self.calls.append("commit")
        self.then(Outcome(("fault",)) if self.broken else Outcome(warnings=("main",)))

    def cancel(self, why: str) -> None:
        self.calls.append("cancel")
        self.then(Outcome((why,)))


class Stage:
    def __init__(self, loop: Loop) -> None:
        self.one, self.two = FakeMember(1), FakeMember(2)
        self.idle = FakeMember(3, serving=False)
        self.outcomes: list[Outcome] = []
        self.adopted = 0
        members: Any = {1: self.one, 2: self.two}
        parts = Parts(EMPTY, {1: EMPTY, 2: EMPTY})
        self.venture = Venture(
            loop,
            None,
            EMPTY,
            parts,
            members,
            lambda _: None,
            self._adopt,
            ["moved"],
            self.outcomes.append,  # type: ignore[arg-type]
        )
        self.main = FakeTransaction.made[-1]

    def _adopt(self) -> Any:
        self.adopted += 1
        return [self.idle]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(venture, "Transaction", FakeTransaction)
    loop = Loop()
    it = Stage(loop)
    it.venture.start()
    yield it
    loop.close()


def test_all_are_ready(stage: Stage) -> None:
    stage.one.ready([])
    assert stage.main.calls == []
    stage.two.ready([])
    assert stage.main.calls == ["commit"]
    assert stage.adopted == 1
    assert stage.one.verbs() == stage.two.verbs() == ["prepare", "commit"]
    assert stage.idle.verbs() == ["renew"]
    stage.one.done(["w1"])
    assert stage.outcomes == []
    stage.two.done([])
    assert stage.outcomes == [Outcome(warnings=("main", "moved", "w1"))]


def test_one_refuses(stage: Stage) -> None:
    stage.one.ready([])
    stage.two.ready(["a LUN would shrink"])
    assert stage.outcomes == [Outcome(("a LUN would shrink",))]
    assert stage.one.verbs() == ["prepare", "cancel"]
    assert stage.two.verbs() == ["prepare"], "it has undone its part by itself"
    assert stage.adopted == 0


def test_our_own_part_fails(stage: Stage) -> None:
    stage.main.broken = True
    stage.one.ready([])
    stage.two.ready([])
    assert stage.outcomes == [Outcome(("fault",))]
    assert stage.one.verbs() == stage.two.verbs() == ["prepare", "cancel"]
    assert stage.adopted == 0


def test_one_ends_before(stage: Stage) -> None:
    """It is started again with what runs by then, so it keeps nobody."""
    stage.one.lost()
    stage.two.ready([])
    assert stage.one.verbs() == ["prepare"]
    assert stage.two.verbs() == ["prepare", "commit"]
    stage.two.done([])
    assert len(stage.outcomes) == 1


def test_one_ends_after(stage: Stage) -> None:
    stage.one.ready([])
    stage.two.ready([])
    stage.one.lost()
    stage.two.done([])
    assert stage.outcomes == [Outcome(warnings=("main", "moved"))]


def test_it_is_given_up(stage: Stage) -> None:
    stage.one.ready([])
    stage.venture.cancel("the daemon is stopping")
    assert stage.outcomes == [Outcome(("the daemon is stopping",))]
    assert stage.one.verbs() == stage.two.verbs() == ["prepare", "cancel"]
    stage.two.ready([])
    assert len(stage.outcomes) == 1


def test_it_is_too_late_to_give_up(stage: Stage) -> None:
    stage.one.ready([])
    stage.two.ready([])
    stage.venture.cancel("the daemon is stopping")
    stage.one.done([])
    stage.two.done([])
    assert [outcome.errors for outcome in stage.outcomes] == [()]


def test_media_that_are_free_are_told_to_the_others(stage: Stage) -> None:
    stage.one.ready([])
    stage.two.ready([])
    stage.one.released()
    assert stage.two.verbs()[-1] == "released"
    assert stage.one.verbs()[-1] == "commit"
