"""How warm a unit is, and what is about to fail: it says that it does not know (SPC-5 7.3.11, 7.3.24)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scsi.ssc.taping import Tape
from tests.scsi.test_log import make, parsed, select, sense


@pytest.fixture(params=["disk", "tape"])
def unit(request: pytest.FixtureRequest) -> Any:
    return make() if request.param == "disk" else request.getfixturevalue("tape")


@pytest.fixture
def tape(tmp_path: Any) -> Any:
    bench = Tape(tmp_path)
    yield bench
    bench.cartridge.close()


def test_the_temperature_cannot_be_obtained(unit: Any) -> None:
    assert unit.good(sense(0x0D)) == bytes.fromhex("8d000006 0000 23 02 00ff")
    assert unit.good(sense(0x0D, control=0)) == unit.good(sense(0x0D)), "what is no counter has no threshold"
    unit.good(select(0, page=0x0D, flags=2))
    assert parsed(unit.good(sense(0x0D))) == {0: b"\x00\xff"}


def test_it_cannot_be_set(unit: Any) -> None:
    page = bytes.fromhex("8d000006 0000 23 02 0014")
    assert unit.refused(select(len(page)), page) == (5, 0x26, 0)


def test_no_exceptions(unit: Any) -> None:
    assert unit.good(sense(0x2F)) == bytes.fromhex("af000008 0000 23 04 0000ff00")
