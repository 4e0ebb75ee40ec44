"""tgtd.scsi.spc.unit: what a device type says when it says nothing of its own."""

from __future__ import annotations

from tests.scsi.workbench import IDENTITY, Bench
from tgtd.scsi.spc.unit import PrimaryUnit


class Plain(PrimaryUnit):
    """A device type with a qualifier, and nothing else."""

    device_type = 0x05
    qualifier = 0b001


def test_defaults() -> None:
    bench = Bench()
    unit = Plain(IDENTITY, bench.pool, bench.lane)
    assert unit.peripheral == 0x25
    assert unit.block_geometry() is None
    assert unit.device_specific() == 0
