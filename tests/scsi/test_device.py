"""tgtd.scsi.device: what a device type owes its runner."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scsi.workbench import IDENTITY, Bench
from tgtd.scsi.device import Device


def test_the_verbs_are_owed() -> None:
    kind: Any = type("Half", (Device,), {"insert": lambda self, medium: None})
    bench = Bench()
    with pytest.raises(TypeError, match=r"capacity.*change.*offline"):
        kind(IDENTITY, bench.pool, bench.lane)


def test_a_disk_tells_its_capacity_and_traits() -> None:
    disk = Bench().disk(removable=True)
    assert disk.capacity == 1 << 20
    assert disk.traits() == {
        "read-only": False,
        "write-cache": False,
        "thin": True,
        "removable": True,
        "ejected": False,
    }
