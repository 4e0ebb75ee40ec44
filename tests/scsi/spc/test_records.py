"""tgtd.scsi.spc.records: what goes with a nexus, and what with a reset."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Bench
from tgtd.scsi.sense import CheckCondition


def test_what_goes_with_a_nexus_and_what_with_a_reset() -> None:
    bench = Bench()
    records = bench.disk().records
    itl = bench.itl()
    records.buffers.put_echo(itl, b"x")
    records.buffers.write(0, b"y")
    records.lose(itl)
    with pytest.raises(CheckCondition):
        records.buffers.echo(itl)
    assert records.buffers.data is not None
    records.clock.set(1)
    records.reset()
    assert records.buffers.data is None
    assert records.clock.now() < 60_000, "a reset is nothing to a clock"
