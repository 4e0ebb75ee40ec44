"""What happens to a block's data on its way to the cartridge and back: compression, encryption, protection
(SSC-5 4.2.20, 4.2.22, 4.2.29).

By a worker, with what was in force when its command began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tgtd.scsi.medium import Buffer
from tgtd.scsi.sense import (
    BLOCK_GUARD_FAILED,
    CANNOT_DECOMPRESS,
    ENCRYPTION_MODE_MISMATCH,
    INCORRECT_KEY,
    INTEGRITY_FAILED,
    NOT_RAW_READ_ENABLED,
    UNABLE_TO_DECRYPT,
    UNENCRYPTED_WHILE_DECRYPTING,
    CheckCondition,
)
from tgtd.scsi.ssc.cartridge import Partition, Record, Stored
from tgtd.scsi.ssc.codec import PLAIN, Codec, unpacked, worth
from tgtd.scsi.ssc.encryption import DECRYPT, DISABLED, ENCRYPT, RAW, Parameters
from tgtd.scsi.ssc.guarding import SIZE as PROTECTION
from tgtd.scsi.ssc.guarding import Guard
from tgtd.scsi.ssc.sealing import SEALED, BlockLocation, Seal, decode

_WRITTEN_ENCRYPTED = 3
"""CEEM: blocks that the drive has encrypted are not to be read."""


@dataclass(frozen=True, slots=True)
class Coding:
    """codecs: that unpack. packer: what packs, if blocks are compressed. longest: bytes of the longest block. guard:
    what protects blocks on the way to the initiator, if anything does."""

    codecs: Sequence[Codec]
    packer: Codec | None
    parameters: Parameters
    longest: int
    guard: Guard | None = None

    @property
    def reads_plain(self) -> bool:
        """Whether blocks to which nothing was done are handed out as they are."""
        return self.guard is None and self.parameters.decryption != DECRYPT

    @property
    def writes_plain(self) -> bool:
        """Whether nothing is done to blocks."""
        return self.guard is None and self.packer is None and self.parameters.encryption != ENCRYPT

    def bare(self, data: memoryview) -> memoryview:
        """A block without its protection information. Raises LOGICAL BLOCK GUARD CHECK FAILED."""
        if self.guard is None:
            return data
        block = data[:-PROTECTION]
        if self.guard(block) != data[-PROTECTION:]:
            raise CheckCondition(BLOCK_GUARD_FAILED)
        return block

    def protect(self, room: memoryview, length: int) -> int:
        """Protection information behind a block of `length` bytes, as far as it fits; the length of both."""
        if self.guard is None:
            return length
        if length < len(room):
            left = room[length : length + PROTECTION]
            left[:] = self.guard(room[:length])[: len(left)]
        return length + PROTECTION

    def store(self, data: memoryview, partition: int, number: int) -> tuple[int, Buffer]:
        """A block as it is to be stored at object `number`: its form, and its data."""
        form, stored = (PLAIN, data) if self.packer is None else worth(self.packer, data)
        parameters = self.parameters
        if parameters.encryption != ENCRYPT:
            return form, stored
        cipher = parameters.cipher
        assert cipher is not None
        seal = Seal(
            parameters.no_raw,
            parameters.kad_format,
            parameters.unauthenticated,
            parameters.authenticated,
            cipher.check,
        )
        form |= SEALED
        associated = seal.associated(BlockLocation(partition, form, number, len(data)))
        return form, b"".join((seal.encode(), *cipher.encrypt(stored, associated)))

    def fetch(self, partition: Partition, number: int, record: Record, room: memoryview) -> int:
        """A block into `room`, as far as it fits; its whole length. number: of the partition. Raises CheckCondition:
        these parameters do not give it away, or it cannot be unpacked."""
        direct = record.stored <= len(room)
        stored = room[: record.stored] if direct else memoryview(bytearray(record.stored))
        block = partition.read(record, stored)
        if block.form & SEALED:
            data, length = self._open(number, record, block, stored)
        elif self.parameters.decryption == DECRYPT:
            raise CheckCondition(UNENCRYPTED_WHILE_DECRYPTING)
        else:
            data, length = self._unpack(block.form, stored, block.length), block.length
        if not direct or data is not stored:
            fitting = memoryview(data)[: len(room)]
            room[: len(fitting)] = fitting
        return length

    def _open(self, number: int, record: Record, block: Stored, stored: memoryview) -> tuple[Buffer, int]:
        parameters = self.parameters
        if parameters.decryption == DISABLED:
            raise CheckCondition(UNABLE_TO_DECRYPT)
        if parameters.external == _WRITTEN_ENCRYPTED:
            raise CheckCondition(ENCRYPTION_MODE_MISMATCH)
        seal = decode(stored)
        if seal is None:
            raise CheckCondition(UNABLE_TO_DECRYPT)
        if parameters.decryption == RAW:
            if seal.no_raw:
                raise CheckCondition(NOT_RAW_READ_ENABLED)
            return stored, len(stored)
        cipher = parameters.cipher
        assert cipher is not None
        if seal.check != cipher.check:
            raise CheckCondition(INCORRECT_KEY)
        place = BlockLocation(number, block.form, record.number, block.length)
        try:
            data = cipher.decrypt(stored[seal.size :], seal.associated(place))
        except ValueError as trouble:
            raise CheckCondition(INTEGRITY_FAILED) from trouble
        return self._unpack(block.form & ~SEALED, memoryview(data), block.length), block.length

    def _unpack(self, form: int, data: memoryview, length: int) -> Buffer:
        if form == PLAIN and len(data) == length:
            return data
        if length > self.longest:
            raise CheckCondition(CANNOT_DECOMPRESS)
        return unpacked(self.codecs, form, data, length)
