"""bench.replay: what is counted does not depend on how quick the machine is just now."""

from __future__ import annotations

import itertools

import pytest

from bench.replay import CASES, Replay


@pytest.mark.parametrize(("cdb", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_batch_is_answered_whole_on_a_machine_where_everything_is_slow(
    monkeypatch: pytest.MonkeyPatch, cdb: bytes, data: bytes
) -> None:
    replay = Replay()
    slow = itertools.count(0.0, 1.0).__next__
    monkeypatch.setattr("tgtd.net.iscsi.connection.monotonic", slow)
    monkeypatch.setattr("tgtd.scsi.pace.perf_counter", slow)
    for _ in range(3):
        replay.run(cdb, data)
