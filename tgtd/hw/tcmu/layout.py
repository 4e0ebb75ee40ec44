"""What lies where in the memory that TCMU shares with us (Linux, include/uapi/linux/target_core_user.h, version 2).

A mailbox, the command ring, then the data area. Numbers are in the byte order and with the alignment of the machine,
as both sides are on it.
"""

from __future__ import annotations

import struct

VERSION = 2

# Mailbox.
MAILBOX = struct.Struct("@HHIII")
"""Version, flags, where the ring begins, its length, and the head: where the kernel puts the next entry."""
HEAD, TAIL = 3, 16
"""The head, and the tail up to which we have answered, as 32-bit words of the mailbox."""
MAILBOX_SIZE = 128

# What the kernel can do (flags of the mailbox).
OUT_OF_ORDER = 1 << 0
READ_LENGTH = 1 << 1
TASK_MANAGEMENT = 1 << 2
KEEP_BUFFER = 1 << 3

# Entries. The low bits of an entry's length are its kind.
KIND_MASK = 0x7
PAD, COMMAND, MANAGEMENT = 0, 1, 2
ENTRY = struct.Struct("@IHBBIIIQ")
"""Length and kind, command's number, flags of the kernel, ours; then how many iovecs there are for the data, for the
data-in of a bidirectional command, and for protection information, and where the CDB is."""
IOVECS = 48
"""Where the iovecs begin in an entry."""
IOVEC = struct.Struct("@LL")
SMALLEST_COMMAND = 112
"""An entry has room for the answer, which takes its place."""
MANAGEMENT_ENTRY = struct.Struct("@IHBBBxxxI")
"""Length and kind, three fields that are zero, the function, how many commands it has aborted."""
MANAGED = 32
"""Where the numbers of those commands begin, 16 bits each."""

# Answers.
FLAGS_AT = 7
ANSWER_AT = 4
ANSWER = struct.Struct("=HBBBxxxI")
"""The command's number, flags of the kernel, ours, status, how much data-in there is."""
ANSWER_WITH_SENSE = struct.Struct("=HBBBxxxI96s")
MOST_SENSE = 96

UNKNOWN_KIND = 0x01
READ_LENGTH_GIVEN = 0x02
BUFFER_KEPT = 0x04

CDB_LENGTHS = (6, 10, 10, 12, 16, 12, 10, 10)
"""By the operation code's group: how much of a CDB the kernel hands over. The vendor's groups get 10 bytes."""
VARIABLE_LENGTH = 0x7F
