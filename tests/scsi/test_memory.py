"""Memories that need no store."""

from __future__ import annotations

from tgtd.scsi.memory import Forgetful, Memory, Unknown
from tgtd.scsi.sense import BECOMING_READY, CheckCondition


def test_a_forgetful_memory_keeps_as_long_as_it_lives() -> None:
    memory: Memory = Forgetful()
    told: list[BaseException | None] = []
    memory.keep("a", b"1", told.append)
    memory.keep("b", b"", told.append)
    assert (memory.recall("a"), memory.recall("b"), memory.recall("c")) == (b"1", b"", None)
    memory.keep("a", None, told.append)
    memory.keep("c", None, told.append)
    assert memory.recall("a") is None
    assert told == [None] * 4
    assert Forgetful().recall("b") is None


def test_nothing_is_kept_before_it_is_known_what_there_is() -> None:
    memory: Memory = Unknown()
    told: list[BaseException | None] = []
    memory.keep("a", b"1", told.append)
    assert memory.recall("a") is None
    (error,) = told
    assert isinstance(error, CheckCondition)
    assert error.sense == BECOMING_READY
