"""tgtd.scsi.keyed: found below layers, and only there."""

from __future__ import annotations

from tgtd.media.ram import RamMedium
from tgtd.scsi.keyed import Keyed, keyed
from tgtd.scsi.layer import Layer


class Locked(RamMedium, Keyed):
    def renew(self) -> None: ...


def test_found() -> None:
    medium = Locked(1 << 20)
    assert keyed(Layer(medium)) is medium
    assert keyed(RamMedium(1 << 20)) is None
    assert keyed(None) is None
