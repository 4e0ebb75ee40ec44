"""tgtd.scsi.sbc.counters: which counts a disk has."""

from __future__ import annotations

from tests.scsi.workbench import Bench, cdb10


def test_what_is_counted() -> None:
    bench = Bench()
    disk = bench.disk()
    bench.ready()
    bench.good(cdb10(0x2A, 0, 2), bytes(1024))
    bench.good(cdb10(0x28, 0, 1))
    bench.good(cdb10(0x35, 0, 0))
    bench.good(
        bytes.fromhex("42000000000000001800"), bytes.fromhex("0016001000000000 0000000000000000 00000008 00000000")
    )
    bench.refused(cdb10(0x28, 0xFFFFFFFF, 1))
    told = disk.counters.as_dict()
    assert {name: told[name] for name in ("reads", "writes", "read_bytes", "write_bytes", "flushes", "unmaps")} == {
        "reads": 1,
        "writes": 1,
        "read_bytes": 512,
        "write_bytes": 1024,
        "flushes": 1,
        "unmaps": 1,
    }
    assert (told["errors"], told["medium_errors"]) == (1, 0)
