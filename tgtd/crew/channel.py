"""Messages between the main process and a worker: frames on a Unix stream socket, some with a descriptor (SCM_RIGHTS).

A frame is a big-endian word, the length of what follows, with its top bit set when a descriptor goes with it. The
kernel delivers descriptors in the order of the frames, and never two in one call (unix(7)).
"""

from __future__ import annotations

import array
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from struct import Struct

from tgtd.loop import READ, WRITE, Loop

_LENGTH = Struct(">I")
_WITH_DESCRIPTOR = 1 << 31
_PIECE = 1 << 18
_SPACE = socket.CMSG_SPACE(array.array("i").itemsize)

Heard = Callable[[bytes, socket.socket | None], None]
"""Called with a message, and with the socket that came with it; None also when this process could not take it."""


class Channel:
    """One end. most: bytes of the longest message to be taken. `ended(why)` is called once, unless `close` was.

    sockets: whether sockets may come; otherwise the kernel drops what is sent.
    """

    def __init__(
        self, loop: Loop, sock: socket.socket, heard: Heard, ended: Callable[[str], None], most: int, sockets: bool
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._heard = heard
        self._ended = ended
        self._most = most
        self._sockets = sockets
        self._received = bytearray()
        self._came: deque[socket.socket | None] = deque()
        self._unsent: deque[tuple[memoryview, socket.socket | None]] = deque()
        self.closed = False
        sock.setblocking(False)
        loop.watch(sock.fileno(), READ, self._ready)

    def send(self, message: bytes, sock: socket.socket | None = None) -> None:
        """Queue a message; the socket belongs to the channel from here on. Lost when the other end is gone."""
        if self.closed:
            if sock is not None:
                sock.close()
            return
        word = len(message) | (_WITH_DESCRIPTOR if sock is not None else 0)
        self._unsent.append((memoryview(_LENGTH.pack(word) + message), sock))
        if len(self._unsent) == 1:
            self._flush()

    def close(self) -> None:
        """Both directions, now."""
        if self.closed:
            return
        self.closed = True
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()
        for _, left in self._unsent:
            if left is not None:
                left.close()
        for came in self._came:
            if came is not None:
                came.close()
        self._unsent.clear()
        self._came.clear()
        self._received.clear()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE and not self.closed:
            self._receive()

    def _end(self, why: str) -> None:
        if not self.closed:
            self.close()
            self._ended(why)

    def _flush(self) -> None:
        try:
            while self._unsent:
                self._send_some()
        except BlockingIOError:
            self._loop.rewatch(self._sock.fileno(), READ | WRITE)
            return
        except OSError as trouble:
            # Told from the loop: whoever sends does not expect to hear of the end before the call returns.
            self._loop.call_soon(partial(self._end, trouble.strerror or str(trouble)))
            return
        self._loop.rewatch(self._sock.fileno(), READ)

    def _send_some(self) -> None:
        data, sock = self._unsent[0]
        if sock is None:
            count = self._sock.send(data)
        else:
            rights = array.array("i", (sock.fileno(),))
            count = self._sock.sendmsg((data,), ((socket.SOL_SOCKET, socket.SCM_RIGHTS, rights),))
            sock.close()  # it went with the first byte
        if count == len(data):
            self._unsent.popleft()
        else:
            self._unsent[0] = (data[count:], None)

    def _receive(self) -> None:
        try:
            data = self._take()
        except BlockingIOError:
            return
        except OSError as trouble:
            self._end(trouble.strerror or str(trouble))
            return
        if not data:
            self._end("the other end is closed")
            return
        self._received += data
        self._deliver()

    def _take(self) -> bytes:
        if not self._sockets:
            return self._sock.recv(_PIECE)
        data, ancillary, flags, _ = self._sock.recvmsg(_PIECE, _SPACE, socket.MSG_CMSG_CLOEXEC)
        for level, kind, rights in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(rights[: len(rights) - len(rights) % numbers.itemsize])
                self._came.extend(socket.socket(fileno=number) for number in numbers)
        if flags & socket.MSG_CTRUNC:
            self._came.append(None)  # out of descriptors (EMFILE): it is lost, its message is not
        return data

    def _deliver(self) -> None:
        received = self._received
        at = 0
        try:
            while not self.closed and len(received) - at >= _LENGTH.size:
                (word,) = _LENGTH.unpack_from(received, at)
                length = word & ~_WITH_DESCRIPTOR
                stop = at + _LENGTH.size + length
                if length > self._most:
                    self._end(f"a message of {length} bytes, where {self._most} is the limit")
                    return
                if stop > len(received):
                    return
                message = bytes(received[at + _LENGTH.size : stop])
                at = stop
                self._hand_in(message, bool(word & _WITH_DESCRIPTOR))
        finally:
            del received[:at]  # whatever came of it: no message is told twice

    def _hand_in(self, message: bytes, with_socket: bool) -> None:
        if with_socket and not self._came:
            self._end("a message without the descriptor that it announces")
        else:
            self._heard(message, self._came.popleft() if with_socket else None)
