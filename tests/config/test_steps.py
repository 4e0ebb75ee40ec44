from __future__ import annotations

import dataclasses
import inspect

import pytest

from tgtd.config import steps
from tgtd.config.model import Medium, Portal
from tgtd.config.steps import AddPortal, RemovePortal, Step, listed, medium_words

KINDS = [kind for _, kind in inspect.getmembers(steps, inspect.isclass) if issubclass(kind, Step) and kind is not Step]


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_frozen(kind: type[Step]) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert dataclasses.is_dataclass(kind)


def test_listeners_disturb_nobody() -> None:
    portal = Portal("fd00::1", 3260)
    for step, words in ((AddPortal(portal), "listen on"), (RemovePortal(portal), "stop listening on")):
        assert step.describe() == f"{words} [fd00::1]:3260"
        assert not step.disturbing
        assert step.as_dict() == {"step": type(step).__name__, "does": step.describe(), "effects": ["none"]}


def test_words() -> None:
    assert [listed(names) for names in (("a",), ("a", "b"), ("a", "b", "c"))] == ["a", "a and b", "a, b and c"]
    assert medium_words(Medium("ram", size=1 << 30)) == "ram (1 GiB)"
    assert medium_words(Medium("block", "/dev/vg/a")) == "block /dev/vg/a"
    assert medium_words(Medium("file", "/a", 1000, direct=True)) == "file /a (1000 bytes, direct)"
