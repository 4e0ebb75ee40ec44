"""A small iSCSI initiator for tests: blocking, literal, and free to break the protocol on purpose.

It shares no code with tgtd: a mistake there shall not cancel out here.
"""

from __future__ import annotations

import hashlib
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import Self

from crc32c import crc32c

HASHES = {5: "md5", 6: "sha1", 7: "sha256", 8: "sha3_256"}


@dataclass
class Pdu:
    """One PDU received: its 48-byte header and its data segment."""

    head: bytes
    data: bytes = b""

    @property
    def opcode(self) -> int:
        return self.head[0] & 0x3F

    @property
    def flags(self) -> int:
        return self.head[1]

    def word(self, offset: int) -> int:
        return int.from_bytes(self.head[offset : offset + 4], "big")

    @property
    def itt(self) -> int:
        return self.word(16)

    @property
    def text(self) -> list[tuple[str, str]]:
        pairs = []
        for item in self.data.split(b"\0"):
            if item:
                name, _, value = item.decode().partition("=")
                pairs.append((name, value))
        return pairs


@dataclass
class Result:
    """How a SCSI command ended. residual: negative for overflow."""

    status: int
    data: bytes
    sense: bytes
    residual: int
    response: Pdu

    @property
    def asc(self) -> tuple[int, int, int]:
        """Sense key, ASC, ASCQ of fixed-format sense data."""
        return self.sense[2] & 0xF, self.sense[12], self.sense[13]


class LoginFailed(Exception):
    def __init__(self, status: int, pdu: Pdu) -> None:
        super().__init__(f"login status {status:04X}h")
        self.status = status
        self.pdu = pdu


@dataclass
class Initiator:
    """A connection to a target. Offers what `keys` says in the operational stage, in that order."""

    address: tuple[str, int]
    target: str = ""
    name: str = "iqn.2026-11.org.test:initiator"
    isid: int = 0x80_00_00_01_00_00
    tsih: int = 0
    cid: int = 0
    user: str = ""
    secret: bytes = b""
    mutual: tuple[str, bytes] | None = None
    algorithms: str = "8,7,6,5"
    reflect: bool = False
    keys: dict[str, str] = field(default_factory=dict)
    timeout: float = 10.0
    cmd_sn: int = 1
    sock: socket.socket = field(init=False)
    agreed: dict[str, str] = field(init=False, default_factory=dict)
    header_digest: bool = field(init=False, default=False)
    data_digest: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(self.address, self.timeout)
        self.exp_stat_sn = 0
        self.max_cmd_sn = self.cmd_sn
        self._itt = 0
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    # PDUs

    def send(self, head: bytes, data: bytes = b"", ahs: bytes = b"") -> None:
        head = head[:4] + bytes((len(ahs) // 4,)) + len(data).to_bytes(3, "big") + head[8:]
        wire = head + ahs
        if self.header_digest:
            wire += crc32c(wire).to_bytes(4, "little")
        if data:
            padded = data + bytes(-len(data) % 4)
            wire += padded
            if self.data_digest:
                wire += crc32c(padded).to_bytes(4, "little")
        self.sock.sendall(wire)

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            more = self.sock.recv(1 << 20)
            if not more:
                raise ConnectionError("closed by the target")
            self._buffer += more
        out, self._buffer = self._buffer[:count], self._buffer[count:]
        return out

    def receive(self) -> Pdu:
        head = self._exactly(48)
        if self.header_digest:
            assert self._exactly(4) == crc32c(head).to_bytes(4, "little")
        length = int.from_bytes(head[5:8], "big")
        data = b""
        if length:
            padded = self._exactly(length + -length % 4)
            if self.data_digest:
                assert self._exactly(4) == crc32c(padded).to_bytes(4, "little")
            data = padded[:length]
        pdu = Pdu(head, data)
        carries_status = pdu.opcode not in (0x31, 0x25) or (pdu.opcode == 0x25 and pdu.flags & 1)
        if carries_status and not (pdu.opcode == 0x20 and pdu.itt == 0xFFFFFFFF):
            self.exp_stat_sn = (pdu.word(24) + 1) & 0xFFFFFFFF
        self.max_cmd_sn = pdu.word(32)
        return pdu

    def next_itt(self) -> int:
        self._itt += 1
        return self._itt

    # Login

    def login_pdu(self, flags: int, text: bytes, csg: int, nsg: int) -> Pdu:
        head = struct.pack(
            ">BBBB4x6sHIH2xII16x",
            0x43,
            flags | csg << 2 | nsg,
            0,
            0,
            self.isid.to_bytes(6, "big"),
            self.tsih,
            self._itt,
            self.cid,
            self.cmd_sn,
            self.exp_stat_sn,
        )
        self.send(head, text)
        pdu = self.receive()
        assert pdu.opcode == 0x23, pdu
        status = int.from_bytes(pdu.head[36:38], "big")
        if status:
            raise LoginFailed(status, pdu)
        return pdu

    def login(self) -> Initiator:
        text = {"InitiatorName": self.name}
        if self.target:
            text |= {"SessionType": "Normal", "TargetName": self.target}
        else:
            text |= {"SessionType": "Discovery"}
        text["AuthMethod"] = "CHAP" if self.user else "None"
        pdu = self.login_pdu(0 if self.user else 0x80, _encode(text), 0, 1)
        assert dict(pdu.text)["AuthMethod"] == text["AuthMethod"]
        if self.user:
            pdu = self.login_pdu(0, _encode({"CHAP_A": self.algorithms}), 0, 1)
            self._answer_challenge(dict(pdu.text))
        offer = {"HeaderDigest": "None", "DataDigest": "None", "MaxRecvDataSegmentLength": "262144"} | self.keys
        pdu = self.login_pdu(0x80, _encode(offer), 1, 3)
        self.agreed = dict(pdu.text)
        self.tsih = int.from_bytes(pdu.head[14:16], "big")
        self.header_digest = self.agreed.get("HeaderDigest") == "CRC32C"
        self.data_digest = self.agreed.get("DataDigest") == "CRC32C"
        return self

    def _answer_challenge(self, challenge: dict[str, str]) -> None:
        name = HASHES[int(challenge["CHAP_A"])]
        identifier = bytes((int(challenge["CHAP_I"]),))
        theirs = bytes.fromhex(challenge["CHAP_C"][2:])
        response = hashlib.new(name, identifier + self.secret + theirs).digest()
        answer = {"CHAP_N": self.user, "CHAP_R": "0x" + response.hex()}
        ours = theirs if self.reflect else os.urandom(16)
        if self.mutual is not None or self.reflect:
            answer |= {"CHAP_I": "9", "CHAP_C": "0x" + ours.hex()}
        pdu = self.login_pdu(0x80, _encode(answer), 0, 1)
        if self.mutual is not None:
            proof = dict(pdu.text)
            expected = hashlib.new(name, b"\x09" + self.mutual[1] + ours).digest()
            assert proof["CHAP_N"] == self.mutual[0]
            assert bytes.fromhex(proof["CHAP_R"][2:]) == expected

    # Full feature phase

    def command_pdu(
        self,
        cdb: bytes,
        lun: int = 0,
        expected: int = 0,
        flags: int = 0x80,
        data: bytes = b"",
        immediate: bool = False,
        itt: int | None = None,
        cmd_sn: int | None = None,
        ahs: bytes = b"",
    ) -> int:
        """Send a SCSI Command; its initiator task tag. flags: F 80h, R 40h, W 20h, and the attribute (1: SIMPLE)."""
        itt = self.next_itt() if itt is None else itt
        sn = self.cmd_sn if cmd_sn is None else cmd_sn
        head = struct.pack(
            ">BB6xQIIII16s",
            0x41 if immediate else 0x01,
            flags | (0 if flags & 7 else 1),
            lun << 48,
            itt,
            expected,
            sn,
            self.exp_stat_sn,
            cdb[:16].ljust(16, b"\0"),
        )
        if cmd_sn is None and not immediate:
            self.cmd_sn = (self.cmd_sn + 1) & 0xFFFFFFFF
        self.send(head, data, ahs)
        return itt

    def data_out_pdu(
        self, itt: int, ttt: int, data_sn: int, offset: int, data: bytes, final: bool, lun: int = 0
    ) -> None:
        head = struct.pack(
            ">BB6xQII4xI4xII4x", 0x05, 0x80 if final else 0, lun << 48, itt, ttt, self.exp_stat_sn, data_sn, offset
        )
        self.send(head, data)

    def read(self, cdb: bytes, expected: int, lun: int = 0) -> Result:
        return self.finish(self.command_pdu(cdb, lun, expected, 0xC0 if expected else 0x80))

    def write(self, cdb: bytes, data: bytes, lun: int = 0, immediate: bool = True, segment: int = 8192) -> Result:
        """One write; data that is not immediate goes as the target's R2Ts ask for it."""
        head = data[:segment] if immediate else b""
        return self.finish(self.command_pdu(cdb, lun, len(data), 0xA0, head), data, segment)

    def finish(self, itt: int, data: bytes = b"", segment: int = 8192) -> Result:
        """Serve R2Ts and gather Data-In until the task has ended."""
        gathered = bytearray()
        while True:
            pdu = self.receive()
            if pdu.opcode == 0x31 and pdu.itt == itt:
                self._serve(pdu, data, segment)
            elif pdu.opcode == 0x25 and pdu.itt == itt:
                offset = pdu.word(40)
                assert offset == len(gathered), "Data-In out of order"
                gathered += pdu.data
                if pdu.flags & 1:
                    return Result(pdu.head[3], bytes(gathered), b"", _residual(pdu), pdu)
            elif pdu.opcode == 0x21 and pdu.itt == itt:
                assert pdu.head[2] == 0
                return Result(pdu.head[3], bytes(gathered), pdu.data[2:], _residual(pdu), pdu)
            elif pdu.opcode == 0x3F:
                raise AssertionError(f"rejected, reason {pdu.head[2]:02X}h")

    def _serve(self, r2t: Pdu, data: bytes, segment: int) -> None:
        offset, length = r2t.word(40), r2t.word(44)
        end, sn = offset + length, 0
        while offset < end:
            size = min(segment, end - offset)
            self.data_out_pdu(r2t.itt, r2t.word(20), sn, offset, data[offset : offset + size], offset + size == end)
            offset += size
            sn += 1

    def nop(self, data: bytes = b"", ttt: int = 0xFFFFFFFF) -> int:
        itt = self.next_itt() if ttt == 0xFFFFFFFF else 0xFFFFFFFF
        self.send(struct.pack(">BB6x8xIIII16x", 0x40, 0x80, itt, ttt, self.cmd_sn, self.exp_stat_sn), data)
        return itt

    def task_management(self, function: int, lun: int = 0, referenced: int = 0xFFFFFFFF, ref_cmd_sn: int = 0) -> int:
        """The response code; PDUs of other tasks are dropped on the way."""
        itt = self.next_itt()
        self.send(
            struct.pack(
                ">BB6xQIIIII12x",
                0x42,
                0x80 | function,
                lun << 48,
                itt,
                referenced,
                self.cmd_sn,
                self.exp_stat_sn,
                ref_cmd_sn,
            )
        )
        while True:
            pdu = self.receive()
            if pdu.opcode == 0x22 and pdu.itt == itt:
                return pdu.head[2]

    def text_pdu(self, text: bytes, flags: int = 0x80, itt: int | None = None, ttt: int = 0xFFFFFFFF) -> Pdu:
        itt = self.next_itt() if itt is None else itt
        self.send(struct.pack(">BB6x8xIIII16x", 0x44, flags, itt, ttt, self.cmd_sn, self.exp_stat_sn), text)
        return self.receive()

    def send_targets(self, value: str = "All") -> list[tuple[str, str]]:
        pdu = self.text_pdu(f"SendTargets={value}\0".encode())
        whole = pdu.data
        while pdu.flags & 0x40:
            pdu = self.text_pdu(b"", itt=pdu.itt, ttt=pdu.word(20))
            whole += pdu.data
        assert pdu.opcode == 0x24, pdu
        return Pdu(pdu.head, whole).text

    def logout(self, reason: int = 0, cid: int = 0) -> int:
        itt = self.next_itt()
        self.send(struct.pack(">BB14xIH2xII16x", 0x46, 0x80 | reason, itt, cid, self.cmd_sn, self.exp_stat_sn))
        while True:
            pdu = self.receive()
            if pdu.opcode == 0x26:
                return pdu.head[2]


def _encode(pairs: dict[str, str]) -> bytes:
    return b"".join(f"{name}={value}\0".encode() for name, value in pairs.items())


def _residual(pdu: Pdu) -> int:
    if pdu.flags & 4:
        return -pdu.word(44)
    return pdu.word(44) if pdu.flags & 2 else 0


def read10(lba: int, blocks: int) -> bytes:
    return struct.pack(">BBIBHB", 0x28, 0, lba, 0, blocks, 0)


def write10(lba: int, blocks: int, fua: bool = False) -> bytes:
    return struct.pack(">BBIBHB", 0x2A, 8 if fua else 0, lba, 0, blocks, 0)


TEST_UNIT_READY = bytes(6)
SYNCHRONIZE_CACHE = struct.pack(">BBIBHB", 0x35, 0, 0, 0, 0, 0)


def inquiry(length: int = 96, page: int | None = None) -> bytes:
    return struct.pack(">BBBHB", 0x12, 0 if page is None else 1, page or 0, length, 0)
