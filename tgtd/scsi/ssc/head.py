"""Where a tape drive is, and how it moves: pure arithmetic over a partition's records (SSC-5 4.2.7, 7.8).

Moves are made in a worker, as finding a record may read. They return where the drive is afterwards, and raise `Stopped`
when something was in the way; nothing is changed until the loop thread takes the result up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tgtd.scsi.sense import (
    BEGINNING_OF_PARTITION,
    END_OF_DATA,
    FILEMARK_DETECTED,
    UNRECOVERED_READ_ERROR,
    CheckCondition,
    Sense,
)
from tgtd.scsi.ssc.cartridge import Partition, Record

FILEMARK, EOM, ILI = 0x80, 0x40, 0x20
"""Bits of stream devices in sense data (SPC-5 4.4.2, 4.4.3)."""


class Head(NamedTuple):
    """A position: before object `number` of a partition. before: the record that ends there, if somebody knows."""

    partition: int = 0
    number: int = 0
    before: Record | None = None


class Stopped(CheckCondition):
    """A command ended before it was through. head: where. flags: FILEMARK, EOM, ILI. residue: for INFORMATION."""

    def __init__(self, head: Head, sense: Sense, flags: int = 0, residue: int | None = None) -> None:
        super().__init__(sense, information=residue, stream=flags)
        self.head = head


class Halted(OSError):
    """The medium has failed in the middle of a command. head: behind what was done, or behind the block that cannot be
    read. information: as the residue of `Stopped`."""

    def __init__(self, error: OSError, head: Head, information: int | None = None) -> None:
        super().__init__(error.errno, str(error))
        self.head = head
        self.information = information


STOPS = (Stopped, Halted)
"""What says where the drive is although a command was not done."""


class Unwritten(OSError):
    """What was written by commands before could not be brought to stable storage: a deferred error (SPC-5 4.4.7)."""


def record_at(partition: Partition, head: Head) -> Record:
    """The record that holds the object at the head. Raises Stopped at the end of data; OSError."""
    if head.number >= partition.objects:
        raise end_of_data(partition, head)
    return partition.find(head.number) if head.before is None else partition.after(head.before)


def end_of_data(partition: Partition, head: Head, residue: int | None = None) -> Stopped:
    """What is there behind the last object: nothing, or what cannot be found any more."""
    sense = UNRECOVERED_READ_ERROR if partition.lost else END_OF_DATA
    return Stopped(Head(head.partition, partition.objects), sense, 0, residue)


def filemarks_before(partition: Partition, number: int) -> int:
    """How many filemarks come before an object: the number of the logical file that it is in (SSC-5 4.2.8)."""
    if number >= partition.objects:
        return partition.filemarks
    record = partition.find(number)
    return record.filemarks + (number - record.number if record.run else 0)


def filemark_number(partition: Partition, count: int) -> int:
    """The object number of the count-th filemark, from 1. Raises LookupError."""
    record = partition.find_filemark(count)
    return record.number + count - record.filemarks - 1


def space_blocks(partition: Partition, head: Head, count: int) -> Head:
    """Over blocks, forwards or backwards; a filemark stops it, on its far side."""
    marks = filemarks_before(partition, head.number)
    if count >= 0:
        wall = filemark_number(partition, marks + 1) if marks < partition.filemarks else partition.objects
        if head.number + count <= wall:
            return Head(head.partition, head.number + count)
        left = count - (wall - head.number)
        if marks < partition.filemarks:
            raise Stopped(Head(head.partition, wall + 1), FILEMARK_DETECTED, FILEMARK, left)
        raise end_of_data(partition, head, left)
    wall = filemark_number(partition, marks) + 1 if marks else 0
    if head.number + count >= wall:
        return Head(head.partition, head.number + count)
    left = -count - (head.number - wall)
    if marks:
        raise Stopped(Head(head.partition, wall - 1), FILEMARK_DETECTED, FILEMARK, left)
    raise Stopped(Head(head.partition), BEGINNING_OF_PARTITION, EOM, left)


def space_filemarks(partition: Partition, head: Head, count: int) -> Head:
    """Over filemarks: behind the count-th that follows, or before the count-th that precedes."""
    marks = filemarks_before(partition, head.number)
    if not count:
        return head
    if count > 0:
        if marks + count > partition.filemarks:
            raise end_of_data(partition, head, marks + count - partition.filemarks)
        return Head(head.partition, filemark_number(partition, marks + count) + 1)
    if marks + count < 0:
        raise Stopped(Head(head.partition), BEGINNING_OF_PARTITION, EOM, -count - marks)
    return Head(head.partition, filemark_number(partition, marks + count + 1))


def space_sequential_filemarks(
    partition: Partition, head: Head, count: int, unwanted: Callable[[], bool] = lambda: False
) -> Head:
    """To the next `count` filemarks that follow one another without a block between them (SSC-5 7.8, code 010b).

    Looks at one run of filemarks after the other, which may take hours: unwanted is asked before each.
    """
    marks = filemarks_before(partition, head.number)
    if not count:
        return head
    if count > 0:
        first = marks + 1
        while first + count - 1 <= partition.filemarks:
            if unwanted():
                return head
            number = filemark_number(partition, first)
            if filemark_number(partition, first + count - 1) == number + count - 1:
                return Head(head.partition, number + count)
            record = partition.find_filemark(first)  # from any other of this run it is no better
            first = record.filemarks + record.run + 1
        raise end_of_data(partition, head)
    last = marks
    while last >= -count:
        if unwanted():
            return head
        number = filemark_number(partition, last)
        if filemark_number(partition, last + count + 1) == number + count + 1:
            return Head(head.partition, number + count + 1)
        last = partition.find_filemark(last).filemarks
    raise Stopped(Head(head.partition), BEGINNING_OF_PARTITION, EOM)


def end(partition: Partition, head: Head) -> Head:
    """Behind the last object."""
    if partition.lost:
        raise end_of_data(partition, head)
    return Head(head.partition, partition.objects)


def locate_object(partition: Partition, head: Head, number: int) -> Head:
    if number > partition.objects:
        raise end_of_data(partition, head)
    return Head(head.partition, number)


def locate_file(partition: Partition, head: Head, number: int) -> Head:
    """To the first object of a logical file: behind as many filemarks (SSC-5 7.3)."""
    if number > partition.filemarks:
        raise end_of_data(partition, head)
    return Head(head.partition, filemark_number(partition, number) + 1 if number else 0)
