"""Log pages of disks, as rows (SPC-5 7.3, SBC-4 6.4).

Not here, as there is nothing to say: utilization (no rated workload), group statistics (groups are not counted apart),
protocol specific port (iSCSI defines none). Counters begin with the process.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.log import BINARY_LIST, COUNTER, SAVED_ASCII_LIST, SAVED_BINARY_LIST, LogPage, Parameter
from tgtd.scsi.sbc.selftest import SELF_TEST_RESULTS
from tgtd.scsi.sbc.thresholds import RESOURCES
from tgtd.scsi.spc.application import APPLICATION_CLIENT
from tgtd.scsi.spc.counting import error_page, reset, since_reset
from tgtd.scsi.spc.health import EXCEPTIONS, TEMPERATURE

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_ACCOUNTING_DATE, _CYCLES = 0x0002, 0x0004
_NO_DATE = b" " * 6


def _written(disk: Disk) -> tuple[int, ...]:
    return disk.counters.write_bytes, disk.tally.unwritten


def _read(disk: Disk) -> tuple[int, ...]:
    return disk.counters.read_bytes, disk.tally.unread


def _verified(disk: Disk) -> tuple[int, ...]:
    return disk.tally.verified, disk.tally.unverified


def _faults(disk: Disk) -> tuple[int, ...]:
    return (disk.faults,)


def _non_medium(disk: Disk) -> Iterator[Parameter]:
    (count,) = since_reset(disk, 0x06, _faults)
    yield Parameter(0, COUNTER, count.to_bytes(8, "big"), default=bytes(8))


def _accesses(disk: Disk) -> tuple[int, ...]:
    counters = disk.counters
    writes = counters.writes + counters.unmaps
    return counters.reads, writes, counters.write_bytes, counters.read_bytes, int(disk.tally.idle)


def _statistics(disk: Disk) -> Iterator[Parameter]:
    """SPC-5 7.3.9. The time interval is a second, so that no command takes a whole one; without priorities nothing is
    weighted."""
    reads, writes, received, sent, idle = since_reset(disk, 0x19, _accesses)
    value = struct.pack(">8Q", reads, writes, received >> disk.shift, sent >> disk.shift, 0, 0, 0, 0)
    yield Parameter(1, COUNTER, value, default=bytes(len(value)))
    yield Parameter(2, COUNTER, idle.to_bytes(8, "big"), default=bytes(8))
    yield Parameter(3, BINARY_LIST, struct.pack(">II", 0, 1))


def _start_stop(disk: Disk) -> Iterator[Parameter]:
    """SPC-5 7.3.20: when the administrator began to account for it, and how often it was started after a stop."""
    yield Parameter(
        _ACCOUNTING_DATE,
        SAVED_ASCII_LIST,
        disk.memory.recall("accounting-date") or _NO_DATE,
        default=_NO_DATE,
        settable=True,
    )
    yield Parameter(_CYCLES, SAVED_BINARY_LIST, disk.tally.cycles(disk).to_bytes(4, "big"))


def _set_date(disk: Disk, values: Mapping[int, bytes]) -> Mapping[str, bytes | None]:
    return {"accounting-date": None if values[_ACCOUNTING_DATE] == _NO_DATE else values[_ACCOUNTING_DATE]}


def _background_scan(disk: Disk) -> Iterable[Parameter]:
    """SBC-4 6.4.2: no scan is active, and none was performed."""
    yield Parameter(0, BINARY_LIST, struct.pack(">I8x", disk.tally.power_on_minutes(disk)))


LOG_PAGES = (
    error_page(0x02, "write error counters", _written),
    error_page(0x03, "read error counters", _read),
    error_page(0x05, "verify error counters", _verified),
    LogPage(0x06, 0, "non-medium error", _non_medium, partial(reset, 0x06, _faults)),
    RESOURCES,
    TEMPERATURE,
    LogPage(0x0E, 0, "start-stop cycle counter", _start_stop, _set_date, saved=True),
    APPLICATION_CLIENT,
    SELF_TEST_RESULTS,
    LogPage(0x15, 0, "background scan", _background_scan),
    LogPage(0x19, 0, "general statistics and performance", _statistics, partial(reset, 0x19, _accesses)),
    EXCEPTIONS,
)
