"""An initiator that keeps many READs or WRITEs in flight and costs little itself; it logs in as that of the tests."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from crc32c import crc32c

from tests.initiator import Initiator

ROOM = 8 << 20
OFFER = {
    "InitialR2T": "No",
    "ImmediateData": "Yes",
    "MaxBurstLength": "1048576",
    "FirstBurstLength": "262144",
    "MaxRecvDataSegmentLength": "262144",
}
DIGESTS = {"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}
_COMMAND = struct.Struct(">BB2xIQIIII16s")
_DISK = struct.Struct(">BxQIH")
_DATA_OUT = struct.Struct(">BB2xIQII4xI4xII4x")
_R2T = struct.Struct(">16xII12x4xII")


def disk_cdb(offset: int, size: int, write: bool) -> bytes:
    """READ(16) or WRITE(16) of blocks of 512 bytes."""
    return _DISK.pack(0x8A if write else 0x88, offset >> 9, size >> 9, 0)


def tape_cdb(offset: int, size: int, write: bool) -> bytes:
    """READ(6) or WRITE(6) of one block, wherever the tape stands."""
    return bytes((0x0A if write else 0x08, 0, *size.to_bytes(3, "big"), 0)).ljust(16, b"\0")


class Stream:
    """One session on a LUN. url: iscsi://host:port/target/. The data written is always the same."""

    def __init__(
        self, url: str, lun: int = 1, digests: bool = False, cdb: Callable[[int, int, bool], bytes] = disk_cdb
    ) -> None:
        parts = urlsplit(url)
        address = (parts.hostname or "127.0.0.1", parts.port or 3260)
        keys = OFFER | (DIGESTS if digests else {})
        self._initiator = Initiator(address, parts.path.strip("/"), keys=keys, timeout=60).login()
        self._digests = digests
        if digests and not (self._initiator.header_digest and self._initiator.data_digest):
            raise RuntimeError(f"{url}: no digests agreed on")
        self._initiator.read(bytes(6), 0, lun=lun)  # takes the unit attention
        agreed = self._initiator.agreed
        self._segment = int(agreed.get("MaxRecvDataSegmentLength", 8192))
        self._immediate = 0
        if agreed.get("ImmediateData", "Yes") == "Yes":
            self._immediate = min(self._segment, int(agreed.get("FirstBurstLength", 65536)))
        self._lun = lun << 48
        self._cdb = cdb
        self._buffer = memoryview(bytearray(ROOM))
        self._begin = self._end = 0
        self._out: list[Any] = []
        self._segments: dict[int, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._initiator.logout()
        self._initiator.close()

    def run(self, offsets: Sequence[int], size: int, depth: int, write: bool = False) -> float:
        """Seconds for one command of `size` bytes at each of `offsets`. Raises RuntimeError when one fails."""
        began = time.perf_counter()
        left = iter(offsets)
        for offset in islice(left, depth):
            self._command(offset, size, write)
        ended = 0
        while ended < len(offsets):
            self._flush()
            self._fill()
            for head, data in self._pdus():
                opcode = head[0] & 0x3F
                if opcode == 0x31:
                    self._serve(head)
                    continue
                if opcode == 0x25 and self._digests and crc32c(data[:-4]) != int.from_bytes(data[-4:], "little"):
                    raise RuntimeError("data digest is wrong")
                if opcode == 0x21 or (opcode == 0x25 and head[1] & 1):
                    self._initiator.exp_stat_sn = int.from_bytes(head[24:28], "big") + 1
                    if head[3]:
                        raise RuntimeError(f"status {head[3]:02X}h, sense {data[2:20].hex()}")
                    ended += 1
                    following = next(left, None)
                    if following is not None:
                        self._command(following, size, write)
        return time.perf_counter() - began

    def ask(self, cdb: bytes, length: int = 0) -> bytes:
        """One command, and what it reads. Raises RuntimeError when it fails."""
        result = self._initiator.read(cdb, length, lun=self._lun >> 48)
        if result.status:
            raise RuntimeError(f"{cdb.hex()}: status {result.status:02X}h, sense {result.sense.hex()}")
        return result.data

    def _command(self, offset: int, size: int, write: bool) -> None:
        initiator = self._initiator
        count = min(size, self._immediate) if write else 0
        head = _COMMAND.pack(
            1, 0xA1 if write else 0xC1, count, self._lun, initiator.next_itt(), size, initiator.cmd_sn,
            initiator.exp_stat_sn, self._cdb(offset, size, write),
        )  # fmt: skip
        initiator.cmd_sn += 1
        self._put(head, count)

    def _serve(self, r2t: memoryview) -> None:
        """The data that it asks for."""
        tag, transfer, offset, length = _R2T.unpack_from(r2t)
        number, end = 0, offset + length
        while offset < end:
            count = min(self._segment, end - offset)
            final = 0x80 if offset + count == end else 0
            head = _DATA_OUT.pack(
                5, final, count, self._lun, tag, transfer, self._initiator.exp_stat_sn, number, offset
            )
            self._put(head, count)
            offset += count
            number += 1

    def _put(self, head: bytes, count: int) -> None:
        """A PDU with `count` bytes of data; data and its digest are made once for each size."""
        self._out.append(head + crc32c(head).to_bytes(4, "little") if self._digests else head)
        if count:
            if count not in self._segments:
                data = bytes(count)
                self._segments[count] = data + crc32c(data).to_bytes(4, "little") if self._digests else data
            self._out.append(self._segments[count])

    def _flush(self) -> None:
        if self._out:
            self._initiator.sock.sendall(b"".join(self._out))
            self._out.clear()

    def _fill(self) -> None:
        if ROOM - self._end < 1 << 20:
            count = self._end - self._begin
            self._buffer[:count] = self._buffer[self._begin : self._end]
            self._begin, self._end = 0, count
        count = self._initiator.sock.recv_into(self._buffer[self._end :])
        if not count:
            raise RuntimeError("the target has closed the connection")
        self._end += count

    def _pdus(self) -> Iterator[tuple[memoryview, memoryview]]:
        """Header, and data with its digest, of each PDU that is there as a whole."""
        buffer, digests, more = self._buffer, self._digests, 4 if self._digests else 0
        while self._end - self._begin >= 48 + more:
            begin = self._begin
            head = buffer[begin : begin + 48]
            length = int.from_bytes(head[5:8], "big")
            whole = begin + 48 + more
            end = whole + (length + -length % 4 + more if length else 0)
            if end > self._end:
                return
            if digests and crc32c(head) != int.from_bytes(buffer[begin + 48 : whole], "little"):
                raise RuntimeError("header digest is wrong")
            self._begin = end
            yield head, buffer[whole:end]
        if self._begin == self._end:
            self._begin = self._end = 0
