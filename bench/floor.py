"""The bare floor: the least a Python process must do to serve the READs and WRITEs of qemu-img and iscsi-perf.

It checks nothing, has canned answers for all else, forgets nothing and would not survive a rude initiator. What a real
target costs more than this is the price of its checks. `python -m bench.floor PORT FILE...`
"""

from __future__ import annotations

import mmap
import os
import selectors
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.daemon import free_port

ROOM = 8 << 20
ARENA = 64 << 20
BURST = 262144
KEYS = (
    "HeaderDigest=None\0DataDigest=None\0InitialR2T=No\0ImmediateData=Yes\0MaxRecvDataSegmentLength=262144\0"
    "MaxBurstLength=262144\0FirstBurstLength=262144\0MaxOutstandingR2T=1\0ErrorRecoveryLevel=0\0"
)
_HEAD = struct.Struct(">BB2xIQII")
_IN = struct.Struct(">BBBBIQIIIIIIII")


class Line:
    """One connection and, of each WRITE that is not whole yet: file, its offset on it, length, what was asked for."""

    def __init__(self, sock: socket.socket, files: list[int]) -> None:
        self.sock, self.files = sock, files
        self.view = memoryview(mmap.mmap(-1, ROOM))
        self.arena = memoryview(mmap.mmap(-1, ARENA))
        self.begin = self.end = self.used = self.stat_sn = 0
        self.writes: dict[int, list[int]] = {}
        self.out: list[Any] = []

    def ready(self) -> bool:
        """Takes what is there, answers it. False: the initiator is gone."""
        if ROOM - self.end < 2 * BURST:
            self.view[: self.end - self.begin] = self.view[self.begin : self.end]
            self.begin, self.end = 0, self.end - self.begin
        count = self.sock.recv_into(self.view[self.end :])
        self.end += count
        view, out = self.view, self.out
        while self.end - self.begin >= 48:
            opcode, flags, length, lun, tag, expected = _HEAD.unpack_from(view, self.begin)
            data = self.begin + 48
            end = data + length + -length % 4
            if end > self.end:
                break
            cmd_sn = int.from_bytes(view[self.begin + 24 : self.begin + 28], "big")
            if opcode & 0x3F == 1:
                self.command(view[self.begin : data], flags, lun, tag, expected, cmd_sn, view[data : data + length])
            elif opcode & 0x3F == 5:
                offset = int.from_bytes(view[self.begin + 40 : self.begin + 44], "big")
                write = self.writes[tag]
                os.pwrite(write[0], view[data : data + length], write[1] + offset)
                if flags & 0x80:
                    self.go_on(lun, tag, offset + length)
            else:
                self.other(opcode & 0x3F, flags, bytes(view[self.begin : data]), tag, cmd_sn)
            self.begin = end
        if self.begin == self.end:
            self.begin = self.end = 0
        for first in range(0, len(out), 512):
            self.sock.sendmsg(out[first : first + 512])
        out.clear()
        self.used = 0
        return count > 0

    def command(
        self, head: memoryview, flags: int, lun: int, tag: int, expected: int, cmd_sn: int, data: memoryview
    ) -> None:
        self.cmd_sn, code = cmd_sn, head[32]
        if code in (0x88, 0x8A):
            at = int.from_bytes(head[34:42], "big") << 9
        elif code in (0x28, 0x2A):
            at = int.from_bytes(head[34:38], "big") << 9
        else:
            return self.answer(tag, code, bytes(head[32:48]), expected)
        file = self.files[(lun >> 48) - 1]
        if flags & 0x20:
            os.pwrite(file, data, at)
            self.writes[tag] = [file, at, expected]
            return self.go_on(lun, tag, len(data)) if flags & 0x80 else None
        into = self.arena[self.used : self.used + expected]
        self.used += expected
        os.preadv(file, [into], at)
        return self.data_in(tag, into, 0)

    def data_in(self, tag: int, data: memoryview, residual: int) -> None:
        size = len(data)
        for number, first in enumerate(range(0, size, BURST)):
            count = min(BURST, size - first)
            last = first + count == size
            flags = (0x81 if not residual else 0x83) if last else 0
            self.out.append(self.pack(0x25, flags, 0, count, tag, 0xFFFFFFFF, number, first, residual if last else 0))
            self.out.append(data[first : first + count])
        self.out.append(bytes(-size % 4))

    def go_on(self, lun: int, tag: int, done: int) -> None:
        """Asks for the next burst, or ends the WRITE."""
        expected = self.writes[tag][2]
        if done < expected:
            head = _IN.pack(0x31, 0x80, 0, 0, 0, lun, tag, tag, self.stat_sn, self.cmd_sn + 1, self.cmd_sn + 128, 0,
                            done, min(BURST, expected - done))  # fmt: skip
        else:
            del self.writes[tag]
            head = self.pack(0x21, 0x80, 0, 0, tag, 0, 0, 0, 0)
        self.out.append(head)

    def pack(self, opcode: int, flags: int, status: int, size: int, tag: int, transfer: int, *rest: int) -> bytes:
        self.stat_sn += flags != 0
        return _IN.pack(opcode, flags, 0, status, size, 0, tag, transfer, self.stat_sn, self.cmd_sn + 1,
                        self.cmd_sn + 128, *rest)  # fmt: skip

    def answer(self, tag: int, code: int, cdb: bytes, expected: int) -> None:
        """What initiators ask before they read: capacity, what kind of device; GOOD to anything else."""
        blocks = os.fstat(self.files[0]).st_size >> 9
        if code == 0x12 and cdb[1] & 1:
            page = bytes((0, cdb[2], 0, 1, 0)) if cdb[2] == 0 else bytes((0, cdb[2], 0, 60)) + bytes(60)
            data = page
        else:
            data = {
                0x12: bytes((0, 0, 6, 2, 31, 0, 0, 2)) + b"bench   floor           0001",
                0x25: struct.pack(">II", blocks - 1, 512),
                0x9E: struct.pack(">QI20x", blocks - 1, 512),
                0x1A: bytes((3, 0, 0, 0)),
                0xA0: struct.pack(">I4xQ", 8, 1 << 48),
            }.get(code, b"")
        if not expected or not data:
            return self.out.append(self.pack(0x21, 0x80, 0, 0, tag, 0, 0, 0, 0))
        return self.data_in(tag, memoryview(data[:expected]), max(0, expected - len(data)))

    def other(self, opcode: int, flags: int, head: bytes, tag: int, cmd_sn: int) -> None:
        """Login and logout; a NOP is not expected."""
        self.cmd_sn = cmd_sn
        if opcode != 3:
            self.out.append(self.pack(0x26, 0x80, 0, 0, tag, 0, 0, 0, 0))
            return
        text = b"AuthMethod=None\0TargetPortalGroupTag=1\0" if flags & 0xC == 0 else KEYS.encode()
        self.cmd_sn -= 1
        reply = self.pack(0x23, flags, 0, len(text), tag, 0, 0, 0, 0)
        self.out.append(reply[:8] + head[8:14] + b"\0\1" + reply[16:])
        self.out.append(text + bytes(-len(text) % 4))


def serve(port: int, paths: list[str]) -> None:
    files = [os.open(path, os.O_RDWR) for path in paths]
    with socket.create_server(("127.0.0.1", port)) as listener, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    sock, _ = listener.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(sock, selectors.EVENT_READ, Line(sock, files))
                elif not key.data.ready():
                    selector.unregister(key.data.sock)
                    key.data.sock.close()


@contextmanager
def floor(files: list[Path]) -> Iterator[tuple[int, str]]:
    """Its pid and the URL that LUN numbers follow. Raises RuntimeError when it does not start."""
    port = free_port()
    words = (sys.executable, "-m", "bench.floor", str(port), *map(str, files))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise RuntimeError("the floor does not start")
            yield process.pid, f"iscsi://127.0.0.1:{port}/iqn.2026-11.com.example:floor/"
        finally:
            process.terminate()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])
