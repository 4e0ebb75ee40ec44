"""tgtd.scsi.spc.removal: who prevents medium removal, whatever the device type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.scsi.smc.library import Library
from tests.scsi.ssc.taping import Tape
from tests.scsi.workbench import Bench
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.spc.removal import prevented_by
from tgtd.scsi.target import TaskManagement, encode_lun

PREVENT, ALLOW = bytes.fromhex("1e0000000100"), bytes.fromhex("1e0000000000")
Made = tuple[Bench, AnyDevice]


def disk(place: Path, clean: ExitStack) -> Made:
    bench = Bench()
    device = bench.disk(removable=True)
    bench.ready()
    return bench, device


def tape(place: Path, clean: ExitStack) -> Made:
    bench = Tape(place)
    clean.callback(bench.cartridge.close)
    return bench, bench.drive


def changer(place: Path, clean: ExitStack) -> Made:
    bench = Library()
    return bench, bench.changer


@pytest.fixture(params=[disk, tape, changer])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    make: Callable[[Path, ExitStack], Made] = request.param
    with ExitStack() as clean:
        yield make(tmp_path, clean)


def test_each_nexus_prevents_for_itself(made: Made) -> None:
    bench, device = made
    second = bench.connect("b")
    bench.ready(nexus=second)
    bench.good(PREVENT)
    bench.good(PREVENT, nexus=second)
    assert prevented_by(device) == f"{bench.nexus.initiator}, {second.initiator}"
    bench.good(ALLOW)
    assert prevented_by(device) == second.initiator
    bench.target.disconnect(second)
    assert not device.preventing


@pytest.mark.parametrize(
    "function", [TaskManagement.LOGICAL_UNIT_RESET, TaskManagement.TARGET_RESET, TaskManagement.I_T_NEXUS_RESET]
)
def test_resets_allow_removal(made: Made, function: TaskManagement) -> None:
    bench, device = made
    bench.good(PREVENT)
    bench.target.manage(function, bench.nexus, encode_lun(0))
    assert not device.preventing
