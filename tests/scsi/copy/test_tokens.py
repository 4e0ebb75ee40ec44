"""tgtd.scsi.copy.tokens: unlike each other, and bounded in number and time."""

from __future__ import annotations

import pytest

from tests.scsi.copy.copying import Pair
from tgtd.scsi.copy.office import End
from tgtd.scsi.copy.tokens import MOST, SIZE, Tokens
from tgtd.scsi.sense import INSUFFICIENT_TOKEN_RESOURCES, TOKEN_EXPIRED, TOKEN_UNKNOWN, CheckCondition, Sense


def refused(tokens: Tokens, data: bytes) -> Sense:
    with pytest.raises(CheckCondition) as caught:
        tokens.find(data)
    return caught.value.sense


def test_life() -> None:
    bench, now = Pair(), [0.0]
    tokens = Tokens(lambda: now[0])
    source = End(bench.nexus, bench.first, 0, bearer=True)
    first, second = (tokens.issue(source, ((0, 8),), 10) for _ in range(2))
    assert len(first.data) == len(second.data) == SIZE
    assert first.data[128:192] != second.data[128:192]
    assert tokens.find(first.data) is first
    tokens.begin(second)
    now[0] = 11.0
    assert refused(tokens, first.data) is TOKEN_EXPIRED
    assert tokens.find(second.data) is second
    tokens.finish(second)
    now[0] = 22.0
    assert refused(tokens, second.data) is TOKEN_EXPIRED
    assert refused(tokens, bytes(SIZE)) is TOKEN_UNKNOWN


def test_bounds() -> None:
    bench, now = Pair(), [0.0]
    tokens = Tokens(lambda: now[0])
    source = End(bench.nexus, bench.first, 0, bearer=True)
    first, *_ = [tokens.issue(source, ((0, 8),), 10) for _ in range(MOST)]
    with pytest.raises(CheckCondition) as caught:
        tokens.issue(source, ((0, 8),), 10)
    assert caught.value.sense is INSUFFICIENT_TOKEN_RESOURCES
    now[0] = 11.0
    tokens.issue(source, ((0, 8),), 10)
    now[0] = 22.0
    tokens.expire()
    assert refused(tokens, first.data) is TOKEN_UNKNOWN, "forgotten, as there were so many after it"
