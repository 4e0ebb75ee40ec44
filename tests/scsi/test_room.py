"""tgtd.scsi.room: who knows the pool, and how full it is."""

from __future__ import annotations

from tests.scsi.workbench import Pooled
from tgtd.media.ram import RamMedium
from tgtd.scsi.layer import Layer
from tgtd.scsi.room import Room, roomy
from tgtd.scsi.sbc.protection.medium import ProtectedMedium


def test_how_full() -> None:
    assert Room(100, 40, 0).percent == 60
    assert Room(1000, 999, 0).percent == 1
    assert Room(1000, 0, 0).percent == 100
    assert Room(1000, 1000, 0).percent == 0
    assert Room(0, 0, 0).percent == 100


def test_whoever_knows_it_below_all_layers() -> None:
    pooled = Pooled(1 << 20)
    assert roomy(Layer(Layer(pooled))) is pooled
    assert roomy(ProtectedMedium(pooled, RamMedium(1 << 20), 512)) is pooled
    assert roomy(Layer(RamMedium(1 << 20))) is None
    assert roomy(None) is None
