"""Sense data: one catalogue of named conditions, and how a command refuses (SPC-5 4.4).

A handler that cannot go on raises; nobody passes sense bytes around by hand:

    raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=3)

The errno map at the end is the only place where a medium's trouble becomes sense.
"""

from __future__ import annotations

import errno
import struct
from typing import NamedTuple

# SAM-5 5.3: status codes.
GOOD = 0x00
CHECK_CONDITION = 0x02
CONDITION_MET = 0x04
BUSY = 0x08
RESERVATION_CONFLICT = 0x18
TASK_SET_FULL = 0x28
ACA_ACTIVE = 0x30
TASK_ABORTED = 0x40

# SPC-5 4.4.8: sense keys.
NO_SENSE = 0x0
RECOVERED_ERROR = 0x1
NOT_READY = 0x2
MEDIUM_ERROR = 0x3
HARDWARE_ERROR = 0x4
ILLEGAL_REQUEST = 0x5
UNIT_ATTENTION = 0x6
DATA_PROTECT = 0x7
BLANK_CHECK = 0x8
COPY_ABORTED = 0xA
ABORTED_COMMAND = 0xB
VOLUME_OVERFLOW = 0xD
MISCOMPARE = 0xE


class Sense(NamedTuple):
    """One row of the catalogue: a sense key with its additional sense code and qualifier. information: for the field of
    that name, of a unit attention that points at something. stream, deferred: of an error that is told later."""

    key: int
    asc: int
    ascq: int
    text: str
    information: int | None = None
    stream: int = 0
    deferred: bool = False


NO_ADDITIONAL_SENSE = Sense(NO_SENSE, 0x00, 0x00, "no additional sense information")

FILEMARK_DETECTED = Sense(NO_SENSE, 0x00, 0x01, "filemark detected")
END_OF_PARTITION = Sense(NO_SENSE, 0x00, 0x02, "end-of-partition/medium detected")
BEGINNING_OF_PARTITION = Sense(NO_SENSE, 0x00, 0x04, "beginning-of-partition/medium detected")
PROGRAMMABLE_EARLY_WARNING = Sense(NO_SENSE, 0x00, 0x07, "programmable early warning detected")
ERASE_IN_PROGRESS = Sense(NO_SENSE, 0x00, 0x18, "erase operation in progress")
LOCATE_IN_PROGRESS = Sense(NO_SENSE, 0x00, 0x19, "locate operation in progress")
SET_CAPACITY_IN_PROGRESS = Sense(NO_SENSE, 0x00, 0x1B, "set capacity operation in progress")
VERIFY_IN_PROGRESS = Sense(NO_SENSE, 0x00, 0x1C, "verify operation in progress")

ROUNDED_PARAMETER = Sense(RECOVERED_ERROR, 0x37, 0x00, "rounded parameter")

IDLE_BY_COMMAND = Sense(NO_SENSE, 0x5E, 0x03, "idle condition activated by command")
STANDBY_BY_COMMAND = Sense(NO_SENSE, 0x5E, 0x04, "standby condition activated by command")
IDLE_B_BY_COMMAND = Sense(NO_SENSE, 0x5E, 0x06, "idle_b condition activated by command")
IDLE_C_BY_COMMAND = Sense(NO_SENSE, 0x5E, 0x08, "idle_c condition activated by command")
STANDBY_Y_BY_COMMAND = Sense(NO_SENSE, 0x5E, 0x0A, "standby_y condition activated by command")

NOT_READY_CAUSE_NOT_REPORTABLE = Sense(NOT_READY, 0x04, 0x00, "logical unit not ready, cause not reportable")
BECOMING_READY = Sense(NOT_READY, 0x04, 0x01, "logical unit is in process of becoming ready")
INITIALIZING_COMMAND_REQUIRED = Sense(NOT_READY, 0x04, 0x02, "logical unit not ready, initializing command required")
MANUAL_INTERVENTION_REQUIRED = Sense(NOT_READY, 0x04, 0x03, "logical unit not ready, manual intervention required")
FORMAT_IN_PROGRESS = Sense(NOT_READY, 0x04, 0x04, "logical unit not ready, format in progress")
UNIT_IN_OPERATION = Sense(NOT_READY, 0x04, 0x07, "logical unit not ready, operation in progress")
SELF_TEST_IN_PROGRESS = Sense(NOT_READY, 0x04, 0x09, "logical unit not ready, self-test in progress")
ACCESS_STATE_TRANSITION = Sense(
    NOT_READY, 0x04, 0x0A, "logical unit not accessible, asymmetric access state transition"
)
PORT_IN_STANDBY = Sense(NOT_READY, 0x04, 0x0B, "logical unit not accessible, target port in standby state")
PORT_UNAVAILABLE = Sense(NOT_READY, 0x04, 0x0C, "logical unit not accessible, target port in unavailable state")
LOGICAL_UNIT_OFFLINE = Sense(NOT_READY, 0x04, 0x12, "logical unit not ready, offline")
SANITIZE_IN_PROGRESS = Sense(NOT_READY, 0x04, 0x1B, "logical unit not ready, sanitize in progress")
MEDIUM_NOT_PRESENT = Sense(NOT_READY, 0x3A, 0x00, "medium not present")

CLEANING_CARTRIDGE = Sense(NOT_READY, 0x30, 0x03, "cleaning cartridge installed")
CLEANING_EXPIRED = Sense(NOT_READY, 0x30, 0x0B, "cleaning tape expired")
INCOMPATIBLE_MEDIUM = Sense(MEDIUM_ERROR, 0x30, 0x00, "incompatible medium installed")
LOAD_FAILED = Sense(MEDIUM_ERROR, 0x53, 0x00, "media load or eject failed")
UNLOAD_FAILED = Sense(HARDWARE_ERROR, 0x53, 0x01, "unload tape failure")
WRITE_ERROR = Sense(MEDIUM_ERROR, 0x0C, 0x00, "write error")
UNRECOVERED_READ_ERROR = Sense(MEDIUM_ERROR, 0x11, 0x00, "unrecovered read error")
CANNOT_DECOMPRESS = Sense(MEDIUM_ERROR, 0x11, 0x0E, "cannot decompress using declared algorithm")
MARKED_BAD = Sense(MEDIUM_ERROR, 0x11, 0x14, "read error, LBA marked bad by application client")
FORMAT_FAILED = Sense(MEDIUM_ERROR, 0x31, 0x01, "format command failed")
SANITIZE_FAILED = Sense(MEDIUM_ERROR, 0x31, 0x03, "sanitize command failed")
NO_DEFECT_SPARE = Sense(MEDIUM_ERROR, 0x32, 0x00, "no defect spare location available")

BLOCK_GUARD_FAILED = Sense(HARDWARE_ERROR, 0x10, 0x01, "logical block guard check failed")
COMMUNICATION_TIMEOUT = Sense(HARDWARE_ERROR, 0x08, 0x01, "logical unit communication time-out")
FAILED_SELF_TEST = Sense(HARDWARE_ERROR, 0x3E, 0x03, "logical unit failed self-test")
UNABLE_TO_UPDATE_SELF_TEST_LOG = Sense(HARDWARE_ERROR, 0x3E, 0x04, "logical unit unable to update self-test log")
END_OF_DATA = Sense(BLANK_CHECK, 0x00, 0x05, "end-of-data detected")
VOLUME_FULL = Sense(VOLUME_OVERFLOW, 0x00, 0x02, "end-of-partition/medium detected")

INTERNAL_TARGET_FAILURE = Sense(HARDWARE_ERROR, 0x44, 0x00, "internal target failure")

OPERATION_IN_PROGRESS = Sense(ILLEGAL_REQUEST, 0x00, 0x16, "operation in progress")
PARAMETER_LIST_LENGTH_ERROR = Sense(ILLEGAL_REQUEST, 0x1A, 0x00, "parameter list length error")
INVALID_COMMAND_OPERATION_CODE = Sense(ILLEGAL_REQUEST, 0x20, 0x00, "invalid command operation code")
LBA_OUT_OF_RANGE = Sense(ILLEGAL_REQUEST, 0x21, 0x00, "logical block address out of range")
INVALID_ELEMENT_ADDRESS = Sense(ILLEGAL_REQUEST, 0x21, 0x01, "invalid element address")
TOKEN_UNKNOWN = Sense(ILLEGAL_REQUEST, 0x23, 0x04, "invalid token operation, token unknown")
TOKEN_EXPIRED = Sense(ILLEGAL_REQUEST, 0x23, 0x07, "invalid token operation, token expired")
TOKEN_CANCELLED = Sense(ILLEGAL_REQUEST, 0x23, 0x08, "invalid token operation, token cancelled")
TOKEN_DELETED = Sense(ILLEGAL_REQUEST, 0x23, 0x09, "invalid token operation, token deleted")
INVALID_FIELD_IN_CDB = Sense(ILLEGAL_REQUEST, 0x24, 0x00, "invalid field in CDB")
LOGICAL_UNIT_NOT_SUPPORTED = Sense(ILLEGAL_REQUEST, 0x25, 0x00, "logical unit not supported")
INVALID_FIELD_IN_PARAMETER_LIST = Sense(ILLEGAL_REQUEST, 0x26, 0x00, "invalid field in parameter list")
INVALID_RELEASE = Sense(ILLEGAL_REQUEST, 0x26, 0x04, "invalid release of persistent reservation")
TOO_MANY_TARGET_DESCRIPTORS = Sense(ILLEGAL_REQUEST, 0x26, 0x06, "too many target descriptors")
UNSUPPORTED_TARGET_DESCRIPTOR = Sense(ILLEGAL_REQUEST, 0x26, 0x07, "unsupported target descriptor type code")
TOO_MANY_SEGMENT_DESCRIPTORS = Sense(ILLEGAL_REQUEST, 0x26, 0x08, "too many segment descriptors")
UNSUPPORTED_SEGMENT_DESCRIPTOR = Sense(ILLEGAL_REQUEST, 0x26, 0x09, "unsupported segment descriptor type code")
INLINE_DATA_LENGTH_EXCEEDED = Sense(ILLEGAL_REQUEST, 0x26, 0x0B, "inline data length exceeded")
COMMAND_SEQUENCE_ERROR = Sense(ILLEGAL_REQUEST, 0x2C, 0x00, "command sequence error")
GENERATION_DOES_NOT_MATCH = Sense(ILLEGAL_REQUEST, 0x2C, 0x0C, "ORWRITE generation does not match")
INVALID_MESSAGE_ERROR = Sense(ILLEGAL_REQUEST, 0x49, 0x00, "invalid message error")
SEQUENTIAL_POSITIONING_ERROR = Sense(ILLEGAL_REQUEST, 0x3B, 0x00, "sequential positioning error")
POSITION_PAST_BEGINNING = Sense(ILLEGAL_REQUEST, 0x3B, 0x0C, "position past beginning of medium")
DESTINATION_FULL = Sense(ILLEGAL_REQUEST, 0x3B, 0x0D, "medium destination element full")
SOURCE_EMPTY = Sense(ILLEGAL_REQUEST, 0x3B, 0x0E, "medium source element empty")
MEDIUM_REMOVAL_PREVENTED = Sense(ILLEGAL_REQUEST, 0x53, 0x02, "medium removal prevented")
INSUFFICIENT_REGISTRATION_RESOURCES = Sense(ILLEGAL_REQUEST, 0x55, 0x04, "insufficient registration resources")
INSUFFICIENT_TOKEN_RESOURCES = Sense(ILLEGAL_REQUEST, 0x55, 0x0D, "insufficient resources to create ROD token")

POWER_ON = Sense(UNIT_ATTENTION, 0x29, 0x00, "power on, reset, or bus device reset occurred")
LOGICAL_UNIT_RESET = Sense(UNIT_ATTENTION, 0x29, 0x03, "bus device reset function occurred")
NEXUS_LOSS = Sense(UNIT_ATTENTION, 0x29, 0x07, "I_T nexus loss occurred")
MEDIUM_MAY_HAVE_CHANGED = Sense(UNIT_ATTENTION, 0x28, 0x00, "not ready to ready change, medium may have changed")
IMPORT_EXPORT_ACCESSED = Sense(UNIT_ATTENTION, 0x28, 0x01, "import or export element accessed")
MODE_PARAMETERS_CHANGED = Sense(UNIT_ATTENTION, 0x2A, 0x01, "mode parameters changed")
RESERVATIONS_PREEMPTED = Sense(UNIT_ATTENTION, 0x2A, 0x03, "reservations preempted")
RESERVATIONS_RELEASED = Sense(UNIT_ATTENTION, 0x2A, 0x04, "reservations released")
REGISTRATIONS_PREEMPTED = Sense(UNIT_ATTENTION, 0x2A, 0x05, "registrations preempted")
LOG_PARAMETERS_CHANGED = Sense(UNIT_ATTENTION, 0x2A, 0x02, "log parameters changed")
ERROR_HISTORY_NEXUS_CLEARED = Sense(UNIT_ATTENTION, 0x2A, 0x0A, "error history I_T nexus cleared")
TIMESTAMP_CHANGED = Sense(UNIT_ATTENTION, 0x2A, 0x10, "timestamp changed")
PARAMETERS_CHANGED_BY_ANOTHER = Sense(
    UNIT_ATTENTION, 0x2A, 0x11, "data encryption parameters changed by another I_T nexus"
)
ASYMMETRIC_ACCESS_STATE_CHANGED = Sense(UNIT_ATTENTION, 0x2A, 0x06, "asymmetric access state changed")
CAPACITY_DATA_CHANGED = Sense(UNIT_ATTENTION, 0x2A, 0x09, "capacity data has changed")
SOFT_THRESHOLD_REACHED = Sense(UNIT_ATTENTION, 0x38, 0x07, "thin provisioning soft threshold reached")
PREVIOUS_BUSY = Sense(UNIT_ATTENTION, 0x2C, 0x07, "previous busy status")
PREVIOUS_TASK_SET_FULL = Sense(UNIT_ATTENTION, 0x2C, 0x08, "previous task set full status")
PREVIOUS_RESERVATION_CONFLICT = Sense(UNIT_ATTENTION, 0x2C, 0x09, "previous reservation conflict status")
COMMANDS_CLEARED = Sense(UNIT_ATTENTION, 0x2F, 0x00, "commands cleared by another initiator")
INQUIRY_DATA_CHANGED = Sense(UNIT_ATTENTION, 0x3F, 0x03, "INQUIRY data has changed")
DEVICE_IDENTIFIER_CHANGED = Sense(UNIT_ATTENTION, 0x3F, 0x05, "device identifier changed")
REPORTED_LUNS_CHANGED = Sense(UNIT_ATTENTION, 0x3F, 0x0E, "reported LUNs data has changed")

WRITE_PROTECTED = Sense(DATA_PROTECT, 0x27, 0x00, "write protected")
INSTANCE_COUNTER_CHANGED = Sense(DATA_PROTECT, 0x2A, 0x13, "data encryption key instance counter has changed")
WORM_OVERWRITE = Sense(DATA_PROTECT, 0x30, 0x0C, "WORM medium - overwrite attempted")
SOFTWARE_WRITE_PROTECTED = Sense(DATA_PROTECT, 0x27, 0x02, "logical unit software write protected")
SPACE_ALLOCATION_FAILED = Sense(DATA_PROTECT, 0x27, 0x07, "space allocation failed write protect")
UNABLE_TO_DECRYPT = Sense(DATA_PROTECT, 0x74, 0x01, "unable to decrypt data")
UNENCRYPTED_WHILE_DECRYPTING = Sense(DATA_PROTECT, 0x74, 0x02, "unencrypted data encountered while decrypting")
INCORRECT_KEY = Sense(DATA_PROTECT, 0x74, 0x03, "incorrect data encryption key")
INTEGRITY_FAILED = Sense(DATA_PROTECT, 0x74, 0x04, "cryptographic integrity validation failed")
ENCRYPTION_PARAMETERS_NOT_USEABLE = Sense(DATA_PROTECT, 0x74, 0x07, "encryption parameters not useable")
ENCRYPTION_MODE_MISMATCH = Sense(DATA_PROTECT, 0x74, 0x09, "encryption mode mismatch on read")
NOT_RAW_READ_ENABLED = Sense(DATA_PROTECT, 0x74, 0x0A, "encrypted block not raw read enabled")
OPERATOR_WRITE_PROTECT = Sense(DATA_PROTECT, 0x5A, 0x02, "operator selected write protect")
PERSISTENT_RESERVATION_INFORMATION_LOST = Sense(DATA_PROTECT, 0x44, 0x01, "persistent reservation information lost")

ECHO_BUFFER_OVERWRITTEN = Sense(ABORTED_COMMAND, 0x3F, 0x0F, "echo buffer overwritten")
COPY_STOPPED = Sense(COPY_ABORTED, 0x00, 0x00, "copy aborted")
UNREACHABLE_COPY_TARGET = Sense(COPY_ABORTED, 0x08, 0x04, "unreachable copy target")
THIRD_PARTY_DEVICE_FAILURE = Sense(COPY_ABORTED, 0x0D, 0x01, "third party device failure")
COPY_TARGET_NOT_REACHABLE = Sense(COPY_ABORTED, 0x0D, 0x02, "copy target device not reachable")
INCORRECT_COPY_TARGET_TYPE = Sense(COPY_ABORTED, 0x0D, 0x03, "incorrect copy target device type")
UNEXPECTED_INEXACT_SEGMENT = Sense(COPY_ABORTED, 0x26, 0x0A, "unexpected inexact segment")
COMMAND_TIMEOUT = Sense(ABORTED_COMMAND, 0x2E, 0x02, "command timeout during processing")
SCATTERED_LENGTH_ERROR = Sense(ABORTED_COMMAND, 0x1A, 0x00, "parameter list length error")

MISCOMPARE_DURING_VERIFY = Sense(MISCOMPARE, 0x1D, 0x00, "miscompare during verify operation")


PREVIOUS_STATUS = {
    BUSY: PREVIOUS_BUSY,
    TASK_SET_FULL: PREVIOUS_TASK_SET_FULL,
    RESERVATION_CONFLICT: PREVIOUS_RESERVATION_CONFLICT,
}
"""The unit attention by which a status is remembered, where UA_INTLCK_CTRL asks for it (SPC-5 7.5.8)."""


class Refused(Exception):
    """A command ends with a status other than GOOD and without sense data (SAM-5 5.3)."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status:02X}h")
        self.status = status


class CheckCondition(Refused):
    """A command ends with CHECK CONDITION.

    field: byte offset of the field at fault; bit: its most significant bit within that byte (sense-key specific
    field pointer, SPC-5 4.4.2.4.2). The pointer aims at the CDB unless the row speaks of the parameter list.
    information: up to 64 bits for the INFORMATION field (an LBA or a residue); None: the row's, or VALID is zero.
    progress: how much of a long operation is done, in 65536ths (SPC-5 4.4.2.4.4).
    specific: the COMMAND-SPECIFIC INFORMATION field; of a copy the number of the segment (SPC-5 5.18.4.6).
    stream: FILEMARK (80h), EOM (40h), ILI (20h) of stream devices; their residue may be negative.
    listed: the field is in the parameter list, whatever the row speaks of.
    """

    def __init__(
        self,
        sense: Sense,
        field: int | None = None,
        bit: int | None = None,
        information: int | None = None,
        progress: int | None = None,
        stream: int = 0,
        specific: int = 0,
        listed: bool = False,
    ) -> None:
        super().__init__(CHECK_CONDITION)
        self.sense = sense
        self.field = field
        self.bit = bit
        self.information = sense.information if information is None else information
        self.progress = progress
        self.stream = stream or sense.stream
        self.specific = specific
        self.listed = listed or sense.asc == INVALID_FIELD_IN_PARAMETER_LIST.asc or sense.key == COPY_ABORTED

    def __str__(self) -> str:
        return self.sense.text

    def put_off(self) -> Sense:
        """The same as a deferred error, to be told with a later command (SPC-5 4.4.7)."""
        return Sense(*self.sense[:4], self.information, self.stream, deferred=True)


_FIXED = struct.Struct(">BxBIBIBBx3s")
_NO_POINTER = b"\0\0\0"


def _pointer(trouble: CheckCondition) -> bytes:
    """SPC-5 4.4.2.4.2: SKSV, C/D, BPV, bit pointer, field pointer (of COPY ABORTED always into the parameter list,
    4.4.2.4.5); or SKSV and a progress indication."""
    if trouble.progress is not None:
        return b"\x80" + trouble.progress.to_bytes(2, "big")
    if trouble.field is None:
        return _NO_POINTER
    first = 0x80
    if not trouble.listed:
        first |= 0x40
    if trouble.bit is not None:
        first |= 0x08 | trouble.bit
    return bytes((first,)) + trouble.field.to_bytes(2, "big")


def encode(trouble: CheckCondition, descriptor: bool = False) -> bytes:
    """Sense data in fixed (18 bytes, SPC-5 4.4.3) or descriptor format (SPC-5 4.4.2).

    Information that does not fit in 32 bits is left out of the fixed format, as its clause has it.
    """
    key, asc, ascq = trouble.sense[:3]
    later = int(trouble.sense.deferred)  # SPC-5 4.4.7
    information = trouble.information
    pointer = _pointer(trouble)
    if descriptor:
        parts = b""
        if information is not None:
            parts += struct.pack(">BBBxQ", 0x00, 0x0A, 0x80, information & 0xFFFF_FFFF_FFFF_FFFF)
        if trouble.specific:
            parts += struct.pack(">BBxxQ", 0x01, 0x0A, trouble.specific)
        if pointer != _NO_POINTER:
            parts += struct.pack(">BB2x3sx", 0x02, 0x06, pointer)
        if trouble.stream:
            parts += struct.pack(">BBxB", 0x04, 0x02, trouble.stream)
        return struct.pack(">BBBB3xB", 0x72 + later, key, asc, ascq, len(parts)) + parts
    if information is not None and information > 0xFFFFFFFF:
        information = None
    first = (0x70 if information is None else 0xF0) + later
    information = (information or 0) & 0xFFFF_FFFF
    return _FIXED.pack(first, key | trouble.stream, information, 10, trouble.specific, asc, ascq, pointer)


class Numbered(OSError):
    """What a medium raised while it did one of several parts of a command. number: of the part, told to the initiator
    in both fields that SBC-4 names for it: INFORMATION (4.35.3) and COMMAND-SPECIFIC INFORMATION (4.18.1)."""

    def __init__(self, error: OSError, number: int) -> None:
        super().__init__(error.errno, error.strerror)
        self.number = number


def from_errno(error: OSError, writing: bool) -> CheckCondition:
    """What a medium's OSError means to an initiator."""
    trouble = _meaning(error, writing)
    if isinstance(error, Numbered):
        trouble.information = trouble.specific = error.number
    return trouble


def _meaning(error: OSError, writing: bool) -> CheckCondition:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CheckCondition(SPACE_ALLOCATION_FAILED)
    if error.errno in (errno.EROFS, errno.EPERM, errno.EACCES):
        return CheckCondition(WRITE_PROTECTED)
    if error.errno in (errno.ENXIO, errno.ENODEV, errno.ENOENT, errno.ENOMEDIUM):
        return CheckCondition(NOT_READY_CAUSE_NOT_REPORTABLE)
    return CheckCondition(WRITE_ERROR if writing else UNRECOVERED_READ_ERROR)
