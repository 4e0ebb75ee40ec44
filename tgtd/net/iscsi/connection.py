"""One TCP connection: bytes in, PDUs to the phase that is plugged in, PDUs out (RFC 7143 4.2, 11.1).

With `portal.py` the only sockets of this room. One `recv` and one `sendmsg` serve a whole batch of PDUs. All
connections share one receive buffer (the arena): what a handler is given lives only until it returns. A payload that
has not arrived whole is received straight into the place its phase names for it.
"""

from __future__ import annotations

import logging
import select
import socket
from collections import deque
from collections.abc import Callable, Sequence
from struct import Struct
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from tgtd.net.iscsi.digest import DIGEST, digest
from tgtd.net.iscsi.pdu import BHS, DATA_DIGEST_ERROR, PADDING, ProtocolError, Rejected

if TYPE_CHECKING:
    from tgtd.net.iscsi.loops import Loop, Timer
    from tgtd.scsi.task import Task

log = logging.getLogger(__name__)

ARENA = 512 * 1024
_MOST_BUFFERS = 1024  # IOV_MAX
_HIGH_WATER = 8 << 20
_LOW_WATER = 2 << 20
_FAREWELL = 5.0  # seconds a peer has to read the last words
_TURN = 0.02  # seconds of parsing after which the other connections have theirs
_LOOK = 256  # bytes between two looks at the clock
_FRAME = Struct(">B3xI").unpack_from

Bytes = bytes | memoryview
PduHandler = Callable[[Bytes, int, bytes, Bytes], None]
"""Called with a buffer, the offset of the basic header in it, the additional header segments, and the data segment."""


class Phase(Protocol):
    """What a connection is in: login, full feature, discovery. handlers: 64, by operation code."""

    handlers: Sequence[PduHandler]
    header_digest: bool
    data_digest: bool
    receive_limit: int

    def destination(self, head: bytes, ahs: bytes, length: int) -> memoryview | None:
        """Where the data segment of this PDU shall land; None: anywhere."""

    def reject(self, reason: int, head: bytes) -> None:
        """Send a Reject for this header."""

    def ended(self, why: str) -> None:
        """The connection is gone."""


class Connection:
    """local, peer: (address, port). `queued` and `sent` count bytes over the connection's life.

    deaf: nothing more is taken from this peer, because the connection is closed or about to be.
    """

    def __init__(self, loop: Loop, sock: socket.socket, arena: memoryview) -> None:
        self.loop = loop
        self.sock = sock
        self.arena = arena
        self.local = _endpoint(sock.getsockname())
        self.peer = _endpoint(sock.getpeername())
        self.phase: Phase
        self.out: list[Bytes] = []
        self.queued = 0
        self.sent = 0
        self.received = 0
        self.heard = loop.time()
        self.closed = False
        self.deaf = False
        self.on_closed: Callable[[Connection], None] | None = None
        self._held: deque[tuple[int, Task]] = deque()
        self._closing = ""
        self._farewell: Timer | None = None
        self.scheduled = False
        self._blocked = False  # the socket took less than we had
        self._paused = False  # we do not read until the peer has read
        self._brake = _HIGH_WATER  # bytes queued beyond which nothing is parsed
        self._stalled = False  # what lies in _partial is parsed when we read again
        self._resuming = False  # a call of _resume is due
        self._partial = b""
        self._head: tuple[bytes, bytes, memoryview, int] | None = None
        self._want: memoryview | None = None
        self._heir: Callable[[socket.socket, bytes], None] | None = None

    def open(self, phase: Phase, received: bytes = b"") -> None:
        """Start reading, with the first phase plugged in. received: what was read of this peer already."""
        self.phase = phase
        if received:
            self._partial = received
            self._step_aside()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.loop.watch(self.sock.fileno(), select.EPOLLIN, self._ready)

    def _ready(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self.flush()
        if events & ~select.EPOLLOUT and not self.closed:
            if not self._paused:
                self._read()
            elif events & (select.EPOLLERR | select.EPOLLHUP):
                self.close("connection lost")

    def _read(self) -> None:
        if self.closed or self._paused:
            return
        try:
            end = self._receive()
            if end:
                self.heard = self.loop.time()
                self._take(end)
        except BlockingIOError:
            return
        except ProtocolError as error:
            self.close(f"protocol error: {error}")
        except OSError as error:
            self.close(error.strerror or str(error))
        except Exception:
            # A fault of ours must not leave a half-fed connection behind, nor touch another one.
            log.exception("connection of %s failed", self.peer[0])
            self.close("internal error")

    def _receive(self) -> int:
        """Bytes now valid at the start of the arena; 0 when there is nothing to parse."""
        want = self._want
        if self.deaf:
            count = self.sock.recv_into(self.arena)
        elif self._stalled:
            self._stalled = False
            rest, self._partial = self._partial, b""
            self.arena[: len(rest)] = rest
            return len(rest)
        elif want is not None:
            count = self.sock.recvmsg_into((want, self.arena))[0]
            self.received += count
            if count >= len(want):
                self._want = None
                return count - len(want) or -1
            self._want = want[count:]
        else:
            start = len(self._partial)
            if start:
                self.arena[:start] = self._partial
                count = self.sock.recv_into(self.arena[start:])
            else:
                count = self.sock.recv_into(self.arena)
            self.received += count
            if count:
                return start + count
        if not count:
            self.close("closed by the initiator")
        return 0

    def _take(self, end: int) -> None:
        """Parse what lies in the arena up to `end` (-1: nothing there, but the awaited payload is whole)."""
        end = max(end, 0)
        position = 0
        if self._head is not None:
            position = self._finish(end)
            if position < 0:
                return
        self._parse(position, end)

    def _finish(self, end: int) -> int:
        """The awaited payload is here; its padding and digest too? The offset behind them, or -1 to wait on."""
        assert self._head is not None
        head, ahs, data, tail = self._head
        if end < tail:
            self._partial = bytes(self.arena[:end])
            return -1
        self._head = None
        self._partial = b""
        phase = self.phase
        if phase.data_digest and digest((data, self.arena[: tail - DIGEST])) != self.arena[tail - DIGEST : tail]:
            self._bad_data(head)
        try:
            phase.handlers[head[0] & 0x3F](head, 0, ahs, data)
        except Rejected as trouble:
            self._reject(trouble, head, 0)
        if self.deaf:
            self._bequeath(tail, end)
            return -1
        return tail

    def _reject(self, trouble: Rejected, buffer: Bytes, at: int) -> None:
        log.info("rejected a PDU of %s: %s", self.peer[0], trouble)
        self.phase.reject(trouble.reason, bytes(buffer[at : at + BHS]))

    def _parse(self, position: int, end: int) -> None:
        """The hot path of receiving. Held by bench/gate.py."""
        arena = self.arena
        look = position + _LOOK
        until = monotonic() + _TURN if end > look else 0.0
        while end - position >= BHS:
            phase = self.phase
            opcode, lengths = _FRAME(arena, position)
            body = position + BHS
            ahs = b""
            if lengths > 0xFFFFFF:
                body += lengths >> 24 << 2
                if body > end:
                    break
                ahs = bytes(arena[position + BHS : body])
            if phase.header_digest:
                if body + DIGEST > end:
                    break
                self._check_header(arena[position:body], arena[body : body + DIGEST])
                body += DIGEST
            length = lengths & 0xFFFFFF
            data: Bytes = b""
            stop = body
            if length:
                if length > phase.receive_limit:
                    raise ProtocolError(f"a data segment of {length} bytes where {phase.receive_limit} is the limit")
                stop = body + (length + 3 & ~3) + (DIGEST if phase.data_digest else 0)
                if stop > end:
                    self._await(bytes(arena[position : position + BHS]), ahs, length, body, end)
                    return
                if phase.data_digest and digest((arena[body : stop - DIGEST],)) != arena[stop - DIGEST : stop]:
                    self._bad_data(bytes(arena[position : position + BHS]))
                data = arena[body : body + length]
            try:
                phase.handlers[opcode & 0x3F](arena, position, ahs, data)
            except Rejected as trouble:
                self._reject(trouble, arena, position)
            position = stop
            if self.deaf:
                self._bequeath(stop, end)
                return
            if self.queued > self._brake and self._stall():
                break
            if position > look:
                look = position + _LOOK
                if end > position and monotonic() > until:
                    self._step_aside()
                    break
        self._partial = bytes(arena[position:end])

    def _stall(self) -> bool:
        """Too much waits to be sent: what is not parsed yet stays as it is until the peer has read."""
        self.flush()
        self._stalled = self.queued > self._brake
        return self._stalled

    def _step_aside(self) -> None:
        """A batch of requests that take their time: the others come first before the rest of it is parsed."""
        self._stalled = True
        if not self._resuming:
            self._resuming = True
            self.loop.call_soon(self._resume)

    def _resume(self) -> None:
        self._resuming = False
        if self._stalled:
            self._read()

    def _check_header(self, header: memoryview, expected: memoryview) -> None:
        if digest((header,)) != expected:
            # Nothing in the header can be trusted, not even its length (RFC 7143 7.7): the connection ends at ERL 0.
            raise ProtocolError("header digest error")

    def _bad_data(self, head: bytes) -> None:
        self.phase.reject(DATA_DIGEST_ERROR, head)
        self.flush()
        raise ProtocolError("data digest error")

    def _await(self, head: bytes, ahs: bytes, length: int, body: int, end: int) -> None:
        """The data segment is not whole yet: let the rest land where it belongs."""
        place = self.phase.destination(head, ahs, length)
        if place is None:
            place = memoryview(bytearray(length))
        count = max(0, min(end - body, length))
        place[:count] = self.arena[body : body + count]
        tail = (-length & 3) + (DIGEST if self.phase.data_digest else 0)
        self._head = (head, ahs, place, tail)
        self._want = place[count:] if count < length else None
        self._partial = bytes(self.arena[body + count : end])

    def send(self, header: bytes, data: Bytes = b"") -> None:
        """Queue one PDU; it leaves at the end of the loop's turn."""
        out = self.out
        out.append(header)
        size = len(header)
        phase = self.phase
        if phase.header_digest:
            out.append(digest((header,)))
            size += DIGEST
        length = len(data)
        if length:
            out.append(data)
            padding = PADDING[length & 3]
            if padding:
                out.append(padding)
            size += length + len(padding)
            if phase.data_digest:
                out.append(digest((data, padding)))
                size += DIGEST
        self.queued += size
        if not self.scheduled:
            self.schedule()

    def schedule(self) -> None:
        """Have what is queued leave at the end of the loop's turn; call once until `scheduled` is false again."""
        self.scheduled = True
        self.loop.at_turn_end(self.flush)

    def hold(self, task: Task) -> None:
        """Release the task's buffer when all that is queued up to now has left."""
        self._held.append((self.queued, task))

    def flush(self) -> None:
        """Send what is queued, as far as the socket takes it."""
        self.scheduled = False
        if self.closed:
            return
        out = self.out
        try:
            while out:
                count = self.sock.sendmsg(out if len(out) <= _MOST_BUFFERS else out[:_MOST_BUFFERS])
                self.sent += count
                self._brake = self.sent + _HIGH_WATER
                if self.sent == self.queued:
                    out.clear()
                else:
                    self._drop_sent(count)
        except BlockingIOError:
            pass
        except OSError as error:
            self.close(error.strerror or str(error))
            return
        held = self._held
        while held and held[0][0] <= self.sent:
            held.popleft()[1].release()
        if out or self._blocked or self._paused:
            self._regulate()
        if self._closing and not out:
            self.close(self._closing)

    def _drop_sent(self, count: int) -> None:
        out = self.out
        index = 0
        while count >= len(out[index]):
            count -= len(out[index])
            index += 1
        del out[:index]
        if count:
            out[0] = memoryview(out[0])[count:]

    def _regulate(self) -> None:
        """Wait for the socket while output is left; read no more from a peer that does not read."""
        blocked = bool(self.out)
        backlog = self.queued - self.sent
        paused = backlog > (_LOW_WATER if self._paused else _HIGH_WATER)
        if (blocked, paused) != (self._blocked, self._paused):
            self._blocked, self._paused = blocked, paused
            events = (select.EPOLLOUT if blocked else 0) | (0 if paused else select.EPOLLIN)
            self.loop.rewatch(self.sock.fileno(), events)
            if self._stalled and not paused:
                self.loop.call_soon(self._read)

    def finish(self, why: str) -> None:
        """Close once everything queued has left; whatever the peer says from now on is not heard."""
        if self._closing or self.closed:
            return
        self._closing = why
        self.deaf = True
        self._farewell = self.loop.call_later(_FAREWELL, lambda: self.close(why))
        if not self.scheduled:
            self.schedule()

    def depart(self, heir: Callable[[socket.socket, bytes], None]) -> None:
        """For a handler: its PDU is the last that concerns us. `heir(socket, received)` gets what came behind it."""
        self.flush()
        if self.closed:
            return
        self.closed = self.deaf = True
        self.loop.unwatch(self.sock.fileno())
        self._heir = heir

    def _bequeath(self, position: int, end: int) -> None:
        if self._heir is not None:
            self._heir(self.sock, bytes(self.arena[position:end]))

    def close(self, why: str) -> None:
        """Close now; what is queued is lost."""
        if self.closed:
            return
        self.closed = self.deaf = True
        if self._farewell is not None:
            self._farewell.cancel()
        self.loop.unwatch(self.sock.fileno())
        self.sock.close()
        self.out.clear()
        self._head = self._want = None
        self._partial = b""
        self.phase.ended(self._closing or why)
        while self._held:
            self._held.popleft()[1].release()
        if self.on_closed is not None:
            self.on_closed(self)


def _endpoint(name: tuple[str, int]) -> tuple[str, int]:
    """(address, port); an IPv4 address is one even where an IPv6 socket took the connection."""
    address, port = name[:2]
    return address.removeprefix("::ffff:") if "." in address else address, port
