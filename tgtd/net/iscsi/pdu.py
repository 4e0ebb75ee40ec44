"""iSCSI PDU layouts (RFC 7143 11): operation codes and one Struct per basic header segment. Pure.

Every header is 48 bytes. Each Struct here covers all 48; the comment names its fields in order. `lengths` is the
word that holds TotalAHSLength (in 4-byte words, top 8 bits) and DataSegmentLength (bytes, low 24 bits).
"""

from __future__ import annotations

from struct import Struct

BHS = 48
NO_TAG = 0xFFFFFFFF
IMMEDIATE = 0x40
FINAL = 0x80
CONTINUE = 0x40
MASK = 0xFFFFFFFF

# Initiator operation codes (RFC 7143 11.2.1.2).
NOP_OUT = 0x00
SCSI_COMMAND = 0x01
TASK_MANAGEMENT = 0x02
LOGIN = 0x03
TEXT = 0x04
DATA_OUT = 0x05
LOGOUT = 0x06
SNACK = 0x10

# Target operation codes.
NOP_IN = 0x20
SCSI_RESPONSE = 0x21
TASK_MANAGEMENT_RESPONSE = 0x22
LOGIN_RESPONSE = 0x23
TEXT_RESPONSE = 0x24
DATA_IN = 0x25
LOGOUT_RESPONSE = 0x26
R2T = 0x31
ASYNC_MESSAGE = 0x32
REJECT = 0x3F

# Flags of a SCSI Command (11.3.1) and of SCSI Response and Data-In (11.4.1, 11.7.1).
READS = 0x40
WRITES = 0x20
STATUS_HERE = 0x01
UNDERFLOW = 0x02
OVERFLOW = 0x04

# Reject reasons (11.17.1).
DATA_DIGEST_ERROR = 0x02
SNACK_REJECT = 0x03
PROTOCOL_ERROR = 0x04
COMMAND_NOT_SUPPORTED = 0x05
TOO_MANY_IMMEDIATE = 0x06
INVALID_PDU_FIELD = 0x09
NEGOTIATION_RESET = 0x0B

# Asynchronous events (11.9.1).
ASYNC_LOGOUT_REQUEST = 1
ASYNC_DROP_ALL = 3

# opcode, flags, lengths, LUN, ITT, expected data transfer length, CmdSN, ExpStatSN, CDB
COMMAND = Struct(">BB2xIQIIII16s")
# opcode, flags, response, status, lengths, -, ITT, SNACK tag, StatSN, ExpCmdSN, MaxCmdSN, ExpDataSN,
# bidirectional residual, residual
RESPONSE = Struct(">BBBBIQIIIIIIII")
# opcode, flags, -, status, lengths, LUN, ITT, TTT, StatSN, ExpCmdSN, MaxCmdSN, DataSN, buffer offset, residual
DATA_IN_HEADER = RESPONSE
# opcode, flags, lengths, LUN, ITT, TTT, StatSN, ExpCmdSN, MaxCmdSN, R2TSN, buffer offset, desired length
R2T_HEADER = Struct(">BB2xIQIIIIIIII")
# opcode, flags, lengths, LUN, ITT, TTT, ExpStatSN, DataSN, buffer offset
DATA_OUT_HEADER = Struct(">BB2xIQII4xI4xII4x")
# opcode, flags, lengths, LUN, ITT, TTT, CmdSN, ExpStatSN  (NOP-Out, Text Request)
REQUEST = Struct(">BB2xIQIIII16x")
# opcode, flags, response, lengths, LUN, ITT, TTT, StatSN, ExpCmdSN, MaxCmdSN  (NOP-In, Text, Task Management, Reject)
REPLY = Struct(">BBBxIQIIIII12x")
# opcode, function, lengths, LUN, ITT, referenced task tag, CmdSN, ExpStatSN, RefCmdSN
TASK_MANAGEMENT_REQUEST = Struct(">BB2xIQIIIII12x")
# opcode, flags, max version, min version, lengths, ISID and TSIH, ITT, CID, CmdSN, ExpStatSN
LOGIN_REQUEST = Struct(">BBBBIQIH2xII16x")
# opcode, flags, max version, active version, lengths, ISID and TSIH, ITT, StatSN, ExpCmdSN, MaxCmdSN, status
LOGIN_REPLY = Struct(">BBBBIQI4xIIIH10x")
# opcode, reason, lengths, ITT, CID, CmdSN, ExpStatSN
LOGOUT_REQUEST = Struct(">BB2xI8xIH2xII16x")
# opcode, flags, response, lengths, ITT, StatSN, ExpCmdSN, MaxCmdSN, Time2Wait, Time2Retain
LOGOUT_REPLY = Struct(">BBBxI8xI4xIII4xHH4x")
# opcode, flags, lengths, LUN, tag, StatSN, ExpCmdSN, MaxCmdSN, event, vendor code, parameters 1 to 3
ASYNC = Struct(">BB2xIQI4xIIIBBHHH4x")

PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
"""By length modulo 4: data segments are padded to whole words (11.1)."""


def after(a: int, b: int) -> bool:
    """Serial number arithmetic (RFC 1982, 32 bits): a comes after b."""
    return 0 < (a - b) & MASK < 0x80000000


class ProtocolError(Exception):
    """The peer broke the protocol beyond what a Reject can mend: its connection ends, for the reason given."""


class Rejected(Exception):
    """A PDU is answered with Reject (11.17); the connection goes on."""

    def __init__(self, reason: int, why: str) -> None:
        super().__init__(why)
        self.reason = reason


def split_ahs(ahs: bytes, cdb: bytes) -> tuple[bytes, int | None]:
    """Additional header segments (11.2.2): the whole CDB, and the expected bidirectional read length or None.

    Raises ProtocolError when the segments do not add up.
    """
    bidi: int | None = None
    at = 0
    while at < len(ahs):
        length = int.from_bytes(ahs[at : at + 2], "big")
        kind = ahs[at + 2] & 0x3F if at + 2 < len(ahs) else 0
        stop = at + 3 + length
        if length == 0 or stop > len(ahs):
            raise ProtocolError(f"additional header segment of {length} bytes does not fit")
        if kind == 1 and len(cdb) == 16:
            cdb = cdb + ahs[at + 4 : stop]
        elif kind == 2 and length == 5 and bidi is None:
            bidi = int.from_bytes(ahs[at + 4 : at + 8], "big")
        else:
            raise ProtocolError(f"additional header segment of type {kind} and length {length}, or one too many")
        at = (stop + 3) & ~3
    return cdb, bidi
