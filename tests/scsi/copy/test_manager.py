"""tgtd.scsi.copy.manager: how a copy is let go of when it cannot begin."""

from __future__ import annotations

from tests.scsi.copy.copying import OTHER, Pair, cscd, move, narrow, out, receive


def test_no_memory() -> None:
    bench = Pair()
    bench.pool.limit = 1 << 16
    task = bench.run(*out(0, narrow(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0))))
    assert task.status == 0x08
    assert (len(bench.first.tasks), bench.pool.used, bench.target.office.jobs) == (0, 0, 0)
    assert bench.refused(receive(0)) == (5, 0x24, 0)
    bench.pool.limit = 1 << 30
    bench.good(*out(0, narrow(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0))))
