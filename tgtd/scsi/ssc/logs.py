"""Log pages of tape drives, as rows (SPC-5 7.3, SSC-5 8.2), and those of LTO's makers (30h to 32h, 3Eh).

Blocks are not gathered into data sets here, so that nothing is said of those. Not here: what is for automation devices
(15h, service buffers).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.log import ASCII_LIST, BINARY_LIST, COUNTER, LogPage, Parameter
from tgtd.scsi.sense import CLEANING_EXPIRED
from tgtd.scsi.spc.application import APPLICATION_CLIENT
from tgtd.scsi.spc.counting import error_page, reset, since_reset
from tgtd.scsi.spc.health import EXCEPTIONS, TEMPERATURE
from tgtd.scsi.spc.tapealert import TAPE_ALERT
from tgtd.scsi.ssc.errorevents import TAPE_DIAGNOSTICS
from tgtd.scsi.ssc.tally import ratio

if TYPE_CHECKING:
    from tgtd.scsi.ssc.cartridge import Cartridge, Partition
    from tgtd.scsi.ssc.drive import TapeDrive

_MB, _MIB = 1_000_000, 1 << 20
_NEVER_CLEANED = 0x0100
_RETRIES = (0x03, 0x08)
_RIGHT, _DEGRADED, _FAILED = 0b01, 0b10, 0b11
_NO_VALUE = 0xFFFF_FFFF
_LIFETIME = (0x00, 0x01, 0x02, 0x0C)
_POLLING_DELAY = 100
"""Milliseconds between two looks at the very high frequency data."""


def _number(code: int, size: int, value: int, control: int = BINARY_LIST) -> Parameter:
    return Parameter(code, control, min(value, (1 << 8 * size) - 1).to_bytes(size, "big"))


def _text(code: int, size: int, value: str) -> Parameter:
    return Parameter(code, ASCII_LIST, value.encode("ascii", "replace")[:size].ljust(size))


# Counters


def _written(drive: TapeDrive) -> tuple[int, ...]:
    return drive.tally.total.received, drive.tally.total.unwritten


def _read(drive: TapeDrive) -> tuple[int, ...]:
    return drive.tally.total.handed, drive.tally.total.unread


def _faults(drive: TapeDrive) -> tuple[int, ...]:
    return (drive.faults,)


def _non_medium(drive: TapeDrive) -> Iterator[Parameter]:
    (count,) = since_reset(drive, 0x06, _faults)
    yield Parameter(0, COUNTER, count.to_bytes(8, "big"), default=bytes(8))


def _transferred(drive: TapeDrive) -> tuple[int, ...]:
    return drive.tally.total[:4]


def _sequential(drive: TapeDrive) -> Iterator[Parameter]:
    """SSC-5 8.2.2: bytes, as sent and as stored; capacities of the partition that the drive is in, in megabytes. No
    object waits in a buffer, and nothing is ever dirty."""
    for code, count in enumerate(since_reset(drive, 0x0C, _transferred)):
        yield Parameter(code, COUNTER, count.to_bytes(8, "big"), default=bytes(8))
    if drive.loaded:
        partition = drive.partition()
        early = drive.early(partition)
        for code, size in ((4, partition.end), (5, early), (6, partition.capacity - early)):
            yield _number(code, 8, size // _MB)
        yield _number(8, 8, 0)
    yield _number(_NEVER_CLEANED, 8, 0)


def _packed(drive: TapeDrive) -> tuple[int, ...]:
    total = drive.tally.total
    return total.received, total.stored, total.fetched, total.unpacked


def _compression(page: int, unit: int, drive: TapeDrive) -> Iterator[Parameter]:
    """Ratios in hundredths, then megabytes (of `unit` bytes) and what is left of them: to the initiator, from the
    tape, from the initiator, to the tape."""
    received, stored, fetched, unpacked = since_reset(drive, page, _packed)
    yield _number(0, 2, ratio(unpacked, fetched))
    yield _number(1, 2, ratio(received, stored))
    for pair, count in enumerate((unpacked, fetched, received, stored)):
        whole, rest = divmod(count, unit)
        for code, value in ((2 + 2 * pair, whole), (3 + 2 * pair, rest)):
            counter = min(value, 0xFFFF_FFFF).to_bytes(4, "big")
            yield Parameter(code, COUNTER, counter, default=bytes(4))


def _compression_page(page: int, name: str, unit: int) -> LogPage:
    return LogPage(page, 0, name, partial(_compression, page, unit), partial(reset, page, _packed))


# The drive


def _status(drive: TapeDrive) -> Iterator[Parameter]:
    """DT device status, very high frequency data (ADC-3 6.1.2.2)."""
    inside, prevented = drive.cartridge is not None, bool(drive.preventing)
    first = 0x80 * prevented | 0x40 * (inside and not drive.loaded) | 0x20 * inside | 0x10 * drive.compression
    first |= 0x08 * (drive.write_protected is not None) | 0x01
    second = 0x20 * (not prevented) | 0x14 * inside | 0x03 * drive.loaded
    fourth = 0x10 * drive.keys.present | 0x01 * bool(drive.alerts.active())  # EPP, TAFC
    yield Parameter(0, BINARY_LIST, bytes((first, second, 0, fourth)))
    yield _number(1, 2, _POLLING_DELAY)


def _loads(drive: TapeDrive) -> tuple[int, ...]:
    total = drive.tally.total
    return drive.counters.loads, total.unwritten, total.unread


def _statistics(drive: TapeDrive) -> Iterator[Parameter]:
    """Device statistics (SSC-5 8.2.5): lifetime media loads, cleaning operations, power on hours and power cycles, then
    those that are since the last reset. No media motion, of which there is none."""
    life = drive.lifetime.life(drive)
    for code, count in zip(_LIFETIME, (life.loads, life.cleanings, life.minutes // 60, life.starts), strict=True):
        yield Parameter(code, COUNTER, count.to_bytes(4, "big"))
    for code, count in zip((0x0D, 0x0E, 0x0F), since_reset(drive, 0x14, _loads), strict=True):
        yield Parameter(code, COUNTER, count.to_bytes(4, "big"), default=bytes(4))
    for code in (0x40, 0x41):
        yield _text(code, 32, drive.identity.serial)
    yield _number(0x80, 1, int(bool(drive.preventing)))


def _alert_response(drive: TapeDrive) -> Iterator[Parameter]:
    """The same flags as bits, the first the most significant; reading them lets them be."""
    bits = sum(1 << (64 - flag) for flag in drive.alerts.active())
    yield _number(0, 8, bits)


def _condition(drive: TapeDrive) -> Iterator[Parameter]:
    """Device status as HP's LTO drives have it: type, status bits, lifetime media loads, and how often the cleaning
    cartridge that is in the drive was used. No number says what product it is."""
    cartridge = drive.cartridge
    yield _number(0, 4, 0)
    expired, device = drive.misfit is CLEANING_EXPIRED, _DEGRADED if drive.faults else _RIGHT
    yield Parameter(1, BINARY_LIST, bytes((expired, device, _medium_condition(drive), 0)))
    yield _number(2, 4, drive.lifetime.life(drive).loads)
    yield _number(3, 4, cartridge.loads if cartridge is not None and cartridge.kind == "clean" else _NO_VALUE)


def _medium_condition(drive: TapeDrive) -> int:
    cartridge = drive.cartridge if drive.loaded else None
    if cartridge is None:
        return 0
    if any(partition.lost for partition in cartridge.partitions):
        return _FAILED
    seen = drive.tally.since_load()
    return _DEGRADED if seen.unread or seen.unwritten else _RIGHT


# The cartridge


def _volume(drive: TapeDrive) -> Iterator[Parameter]:
    """Volume statistics (SSC-5 8.2.7), as far as the cartridge knows; PAGE VALID zero and nothing else without one."""
    cartridge = drive.cartridge if drive.loaded else None
    yield _number(0, 1, int(cartridge is not None))
    if cartridge is None:
        return
    yield _number(0x01, 4, cartridge.loads)
    for code, count in _lifetime(cartridge):
        yield _number(code, 4, count)
    seen = drive.tally.since_load()
    yield _number(0x0C, 4, seen.unwritten)
    yield _number(0x0D, 4, seen.unread)
    yield _number(0x0E, 4, seen.stored // _MB)
    yield _number(0x0F, 4, seen.fetched // _MB)
    yield _number(0x10, 8, cartridge.written // _MB)
    yield _number(0x11, 8, cartridge.fetched // _MB)
    yield _number(0x12, 2, ratio(seen.received, seen.stored))
    yield _number(0x13, 2, ratio(seen.unpacked, seen.fetched))
    yield _number(0x16, 4, cartridge.capacity // _MB)
    yield _number(0x17, 4, sum(partition.end for partition in cartridge.partitions) // _MB)
    yield _text(0x40, 32, cartridge.serial)
    yield _text(0x42, 32, cartridge.barcode)
    yield _number(0x80, 1, int(drive.write_protected is not None))
    yield _number(0x81, 1, int(drive.worm))
    yield from _partitions(drive, cartridge)


def _lifetime(cartridge: Cartridge | None) -> tuple[tuple[int, int], ...]:
    """Write retries, unrecovered write errors, suspended and fatally suspended writes; read retries, and unrecovered
    read errors. Nothing is ever tried twice, and no head leaves its track."""
    unwritten, unread = (0, 0) if cartridge is None else (cartridge.unwritten, cartridge.unread)
    return (0x03, 0), (0x04, unwritten), (0x05, 0), (0x06, 0), (0x08, 0), (0x09, unread)


def _usage(drive: TapeDrive) -> Iterator[Parameter]:
    """Tape usage as LTO's makers have it, of the cartridge since it was made: how often it was threaded, then as above,
    and suspended reads. All zeros without one."""
    cartridge = drive.cartridge if drive.loaded else None
    yield _number(0x01, 4, 0 if cartridge is None else cartridge.loads)
    for code, count in _lifetime(cartridge):
        yield _number(code, 4 if code in _RETRIES else 2, count)
    for code in (0x0A, 0x0B):
        yield _number(code, 2, 0)


def _partitions(drive: TapeDrive, cartridge: Cartridge) -> Iterator[Parameter]:
    """A record for each partition: its capacity, what is used, what is left up to early warning."""
    rows: tuple[tuple[int, Callable[[Partition], int]], ...] = (
        (0x202, lambda each: each.capacity),
        (0x203, lambda each: each.end),
        (0x204, lambda each: max(0, drive.early(each) - each.end)),
    )
    for code, size in rows:
        records = (
            struct.pack(">BxHI", 7, number, min(size(each) // _MB, 0xFFFF_FFFD))
            for number, each in enumerate(cartridge.partitions)
        )
        yield Parameter(code, BINARY_LIST, b"".join(records))


def _capacity(drive: TapeDrive) -> Iterator[Parameter]:
    """Tape capacity as LTO's makers have it: of partitions 0 and 1, what is left and the whole, in MiB."""
    partitions = drive.cartridge.partitions[:2] if drive.cartridge is not None and drive.loaded else ()
    left = [max(0, each.capacity - each.end) for each in partitions]
    whole = [each.capacity for each in partitions]
    for first, sizes in ((1, left), (3, whole)):
        for number in range(2):
            yield _number(first + number, 4, sizes[number] // _MIB if number < len(sizes) else 0)


LOG_PAGES = (
    error_page(0x02, "write error counters", _written),
    error_page(0x03, "read error counters", _read),
    LogPage(0x06, 0, "non-medium error", _non_medium, partial(reset, 0x06, _faults)),
    LogPage(0x0C, 0, "sequential access device", _sequential, partial(reset, 0x0C, _transferred)),
    TEMPERATURE,
    APPLICATION_CLIENT,
    LogPage(0x11, 0, "DT device status", _status),
    LogPage(0x12, 0, "TapeAlert response", _alert_response),
    LogPage(0x14, 0, "device statistics", _statistics, partial(reset, 0x14, _loads)),
    TAPE_DIAGNOSTICS,
    LogPage(0x17, 0, "volume statistics", _volume),
    _compression_page(0x1B, "data compression", _MB),
    TAPE_ALERT,
    EXCEPTIONS,
    LogPage(0x30, 0, "tape usage", _usage),
    LogPage(0x31, 0, "tape capacity", _capacity),
    _compression_page(0x32, "data compression of LTO", _MIB),
    LogPage(0x3E, 0, "device status", _condition),
)
