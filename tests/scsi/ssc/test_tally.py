"""tgtd.scsi.ssc.tally: what was counted, in all and since a cartridge was threaded."""

from __future__ import annotations

from tgtd.scsi.ssc.tally import TapeTally, Traffic, ratio


def test_since_load() -> None:
    tally = TapeTally()
    tally.add(received=10, stored=5)
    tally.fail(writing=True)
    tally.load()
    tally.add(fetched=3, handed=4, unpacked=6)
    tally.fail(writing=False)
    assert tally.total == Traffic(10, 5, 3, 4, 6, 1, 1)
    assert tally.since_load() == Traffic(0, 0, 3, 4, 6, 0, 1)


def test_ratio() -> None:
    assert [ratio(300, 100), ratio(0, 0), ratio(100, 150), ratio(1 << 40, 1)] == [300, 100, 66, 0xFFFF]
