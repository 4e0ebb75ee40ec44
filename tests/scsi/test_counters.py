"""tgtd.scsi.counters: what is counted is told, by every type of device."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tgtd.scsi.counters import Counters
from tgtd.scsi.passthrough.device import PassthroughCounters
from tgtd.scsi.sbc.counters import DiskCounters
from tgtd.scsi.smc.changer import ChangerCounters
from tgtd.scsi.ssc.drive import TapeCounters


@pytest.mark.parametrize("kind", [Counters, DiskCounters, TapeCounters, ChangerCounters, PassthroughCounters])
def test_every_count_is_told(kind: type[Counters]) -> None:
    counters = kind()
    names = [field.name for field in fields(kind)]
    assert {"errors", "medium_errors"} <= set(names)
    for number, name in enumerate(names):
        setattr(counters, name, number)
    assert counters.as_dict() == {name: number for number, name in enumerate(names)}
