"""tgtd.scsi.sbc.flaws: blocks that cannot be read until they are written."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Anchoring
from tgtd.scsi.sbc.flaws import MOST, FlawedMedium
from tgtd.scsi.sense import MARKED_BAD, NO_DEFECT_SPARE, CheckCondition


def make() -> FlawedMedium:
    flawed = FlawedMedium(Anchoring(1 << 20), 9)
    flawed.mark(4, 2)
    return flawed


def test_reading() -> None:
    flawed = make()
    good, bad = memoryview(bytearray(2048)), memoryview(bytearray(4096))
    assert flawed.read_now(0, good)
    flawed.read(0, good)
    assert not flawed.read_now(0, bad)
    for read in (lambda: flawed.read(0, bad), flawed.reading(0, bad)):
        with pytest.raises(CheckCondition) as caught:
            read()
        assert (caught.value.sense, caught.value.information) == (MARKED_BAD, 4)
    flawed.reading(0, good)()


@pytest.mark.parametrize("how", ["write", "write_now", "writing", "discard", "anchor", "zero"])
def test_writing_heals(how: str) -> None:
    flawed = make()
    block = b"x" * 512
    if how == "write":
        flawed.write(2048, block, False)
    elif how == "write_now":
        assert flawed.write_now(2048, block)
    elif how == "writing":
        flawed.writing(2048, block, False)()
    elif how == "discard":
        flawed.discard(2048, 512)
    elif how == "anchor":
        flawed.anchor(2048, 512)
    else:
        flawed.zero(2048, 512, False)
    assert flawed.bad == {5}


def test_there_is_an_end_to_it() -> None:
    flawed = make()
    with pytest.raises(CheckCondition) as caught:
        flawed.mark(0, MOST)
    assert caught.value.sense is NO_DEFECT_SPARE
    assert flawed.bad == {4, 5}
