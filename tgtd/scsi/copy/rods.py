"""POPULATE TOKEN, WRITE USING TOKEN, and what there is to ask about tokens (SBC-4 5.12, 5.43; SPC-5 6.30, 6.31).

Windows calls it offloaded data transfer (ODX). Whoever has a token may have what it stands for written anywhere where
it may write.
"""

from __future__ import annotations

import struct
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.copy.commands import EXTENDED_COPY, RECEIVE, answer, parameter_list, record_of, wanted
from tgtd.scsi.copy.job import Failure, Segment
from tgtd.scsi.copy.manager import kind_of_record, office_of
from tgtd.scsi.copy.office import End
from tgtd.scsi.copy.parameters import demand_zero, wrong
from tgtd.scsi.copy.records import DONE, IN_FOREGROUND, CopyRecord
from tgtd.scsi.copy.tokens import BLOCK_ZERO, CHANGE_VULNERABLE, LONGEST_TIMEOUT, MANAGED, MOST_BYTES, SIZE, Token
from tgtd.scsi.sense import (
    GOOD,
    LBA_OUT_OF_RANGE,
    PARAMETER_LIST_LENGTH_ERROR,
    TOKEN_DELETED,
    TOO_MANY_SEGMENT_DESCRIPTORS,
    CheckCondition,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

POPULATE, WRITE, TELL, TELL_ALL = 0x10, 0x11, 0x07, 0x08
MOST_RANGES = 64

_IMMED, _RTV, _DEL_TKN = 0x01, 0x02, 0x02
_RANGE = 16
_ZERO_TOKEN = struct.pack(">IxxH", BLOCK_ZERO, SIZE - 8)

Runs = tuple[tuple[int, int], ...]
"""(first block, number of blocks)."""


def _list(disk: Disk, task: Task, at: int) -> tuple[bytes, Runs]:
    """A parameter list whose range descriptors begin at a byte, and these. Raises CheckCondition."""
    data = parameter_list(disk, task)
    if len(data) < at:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    told, size = int.from_bytes(data[:2], "big") + 2, int.from_bytes(data[at - 2 : at], "big")
    if told > len(data) or told < at:
        raise wrong(0)
    if not size or size % _RANGE or at + size > told:
        raise wrong(at - 2)
    if size > MOST_RANGES * _RANGE:
        raise CheckCondition(TOO_MANY_SEGMENT_DESCRIPTORS)
    runs = []
    for place in range(at, at + size, _RANGE):
        lba, count = struct.unpack_from(">QI", data, place)
        if any(data[place + 12 : place + _RANGE]):
            raise wrong(place + 12)
        if lba + count > disk.blocks:
            raise CheckCondition(LBA_OUT_OF_RANGE, information=lba)
        runs.append((lba, count))
    if sum(count for _, count in runs) << disk.shift > MOST_BYTES:
        raise wrong(at)
    ordered = sorted(run for run in runs if run[1])
    if any(one[0] + one[1] > other[0] for one, other in pairwise(ordered)):
        raise wrong(at)
    return data, tuple(runs)


def _identifier(task: Task) -> int:
    return int.from_bytes(task.cdb[6:10], "big")


def populate_token(disk: Disk, task: Task) -> int:
    """POPULATE TOKEN: done once everything that is being written has been; IMMED makes no difference."""
    data, runs = _list(disk, task, 16)
    if data[2] & ~(_IMMED | _RTV):
        raise wrong(2, (data[2] & ~(_IMMED | _RTV)).bit_length() - 1)
    demand_zero(data, 3, 4)
    demand_zero(data, 12, 14)
    timeout, kind = struct.unpack_from(">II", data, 4)
    if timeout > LONGEST_TIMEOUT:
        raise wrong(4)
    if data[2] & _RTV and kind != CHANGE_VULNERABLE:
        raise wrong(8)
    runs = tuple(run for run in runs if run[1])
    if not runs:
        raise wrong(16)
    record = CopyRecord(task.itl.nexus, _identifier(task), POPULATE, IN_FOREGROUND, disk.block_size)
    disk.copies.records.demand_free(task.itl.nexus, record.identifier)
    return disk.defer_alone(task, _nothing, then=partial(_populate, disk, record, runs, timeout))


def _populate(disk: Disk, record: CopyRecord, runs: Runs, timeout: int, task: Task) -> int:
    source = End(task.itl.nexus, disk, task.itl.number, bearer=True)
    token = office_of(task).tokens.issue(source, runs, timeout)
    disk.copies.records.enter(record)
    record.token, record.moved = token.data, token.length
    record.end(DONE)
    return GOOD


def write_using_token(disk: Disk, task: Task) -> int:
    """WRITE USING TOKEN: as many blocks as its ranges have, from the token's data on; there must be as many."""
    data, runs = _list(disk, task, 536)
    if data[2] & ~(_IMMED | _DEL_TKN):
        raise wrong(2, (data[2] & ~(_IMMED | _DEL_TKN)).bit_length() - 1)
    demand_zero(data, 3, 8)
    demand_zero(data, 528, 534)
    offset = int.from_bytes(data[8:16], "big") * disk.block_size
    state = kind_of_record(bool(data[2] & _IMMED))
    record = CopyRecord(task.itl.nexus, _identifier(task), WRITE, state, disk.block_size)
    here = End(task.itl.nexus, disk, task.itl.number)
    named = data[16 : 16 + SIZE]
    if named[:8] == _ZERO_TOKEN:
        size = disk.block_size
        segments = [Segment(None, 0, here, lba * size, count * size) for lba, count in runs if count]
        return _begin(disk, task, record, segments, None, False)
    token = office_of(task).tokens.find(named)
    return _begin(disk, task, record, _pieces(token, offset, here, runs), token, bool(data[2] & _DEL_TKN))


def _begin(disk: Disk, task: Task, record: CopyRecord, segments: list[Segment], token: Token | None, last: bool) -> int:
    records, tokens = disk.copies.records, office_of(task).tokens
    records.demand_free(task.itl.nexus, record.identifier)
    if not segments:
        records.enter(record)
        record.end(DONE)
        return GOOD
    if token is None:
        return disk.copies.copy(task, record, segments, partial(_explain, disk))

    def done() -> None:
        tokens.finish(token)
        if last:
            tokens.drop(token, TOKEN_DELETED)

    tokens.begin(token)
    try:
        return disk.copies.copy(task, record, segments, partial(_explain, disk), token.demand, done)
    except BaseException:
        tokens.finish(token)
        raise


def _explain(disk: Disk, failure: Failure) -> tuple[int, bytes]:
    """What stopped a command of the copy stops this one."""
    return (failure.status, failure.sense) if failure.status else disk.copies.sense(failure.trouble)


def _pieces(token: Token, offset: int, here: End, runs: Runs) -> list[Segment]:
    """What lies in one piece at both ends. Raises when the token stands for less, or blocks do not fit each other."""
    size = here.disk.block_size
    if offset + sum(count for _, count in runs) * size > token.length:
        raise wrong(8)
    found: list[Segment] = []
    sources = _skipped(token, offset)
    for lba, count in runs:
        there, left = lba * size, count * size
        while left:
            start, length = sources[0]
            part = min(left, length)
            if part % size or part % token.block_size:
                raise wrong(8)
            found.append(Segment(token.source, start, here, there, part))
            there, left = there + part, left - part
            sources[0] = start + part, length - part
            if part == length:
                sources.pop(0)
    return found


def _skipped(token: Token, offset: int) -> list[tuple[int, int]]:
    """(first byte, bytes) of the token's runs from an offset on."""
    if offset % token.block_size:
        raise wrong(8)
    found = []
    for lba, count in token.runs:
        start, length = lba * token.block_size, count * token.block_size
        skip = min(offset, length)
        offset -= skip
        if skip < length:
            found.append((start + skip, length - skip))
    return found


def receive_token_information(disk: Disk, task: Task) -> int:
    """RECEIVE ROD TOKEN INFORMATION: how far it is, and the token; what was told in full is forgotten."""
    record = record_of(disk, task, 4)
    body = record.wide(blocks=True)
    tokens = b"" if record.token is None else bytes(2) + record.token
    body += struct.pack(">I", len(tokens)) + tokens
    return answer(disk, task, record, struct.pack(">I", len(body)) + body)


def report_all_tokens(disk: Disk, task: Task) -> int:
    """REPORT ALL ROD TOKENS: those of this disk, without what makes them worth anything."""
    parts = b"".join(token.data[:MANAGED] for token in office_of(task).tokens.of(disk))
    data = struct.pack(">I4x", 4 + len(parts)) + parts
    task.data_in = data[: int.from_bytes(task.cdb[10:14], "big")]
    return GOOD


def _nothing() -> None:
    """The work of a command that only waits for others."""


_OUT = bytes.fromhex("00000000 FFFFFFFF FFFFFFFF 3F 04")

TOKENS = (
    Command(
        EXTENDED_COPY,
        "POPULATE TOKEN",
        populate_token,
        bytes((EXTENDED_COPY, POPULATE)) + _OUT,
        action=POPULATE,
        data_out=wanted,
        medium=True,
        reservation="read",
    ),
    Command(
        EXTENDED_COPY,
        "WRITE USING TOKEN",
        write_using_token,
        bytes((EXTENDED_COPY, WRITE)) + _OUT,
        action=WRITE,
        data_out=wanted,
        medium=True,
        writes=True,
        reservation="write",
        timeout=3600,
    ),
    Command(
        RECEIVE,
        "RECEIVE ROD TOKEN INFORMATION",
        receive_token_information,
        bytes((RECEIVE, TELL)) + bytes.fromhex("FFFFFFFF 00000000 FFFFFFFF 00 04"),
        action=TELL,
        reservation="allowed",
    ),
    Command(
        RECEIVE,
        "REPORT ALL ROD TOKENS",
        report_all_tokens,
        bytes((RECEIVE, TELL_ALL)) + bytes.fromhex("0000000000000000 FFFFFFFF 00 04"),
        action=TELL_ALL,
        reservation="allowed",
    ),
)
