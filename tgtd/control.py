"""The control socket: tgtctl's way in. JSON lines over a Unix stream socket, on the daemon's own loop.

A request is one line, {"version": 1, "command": NAME, "arguments": {...}}; its answer is one line, either
{"version": 1, "ok": true, "result": ...} or {"version": 1, "ok": false, "error": TEXT}. What the commands do is not
known here. A client can cost a bounded amount of memory only, and none can make the loop wait: long answers are
produced in pieces, as fast as the client takes them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from tgtd.loop import READ, WRITE, Loop, Timer

log = logging.getLogger(__name__)

VERSION = 1
LONGEST_REQUEST = 64 << 10
MOST_CLIENTS = 64
PATIENCE = 120.0
"""Seconds that a client may take to send its next request or to read its answer."""
REST = 1.0
"""Seconds until the next try when a client could not be accepted."""

_PIECE = 64 << 10
_SO_PEERGROUPS = 59  # asm-generic/socket.h; the socket module has no name for it


class Unanswerable(Exception):
    """A request that cannot be carried out; the text says why and what to do."""


Result = Mapping[str, object] | Iterator[str] | Unanswerable
"""What a command answers: an object, or the pieces of its JSON text, or that it cannot."""

Reply = Callable[[Result], None]
ControlCommand = Callable[[Mapping[str, object], Reply], None]
"""Called with the request's arguments; calls the reply once, now or later, or raises Unanswerable."""


class ControlServer:
    """Listens at a path; `commands` by name is the table of what can be asked. Raises OSError when it cannot listen.

    The path must belong to this process (see tgtd.daemon's lock): a socket that lies there is replaced.
    """

    def __init__(self, loop: Loop, path: Path, commands: Mapping[str, ControlCommand]) -> None:
        self.loop = loop
        self.path = path
        self.commands = commands
        self.clients: dict[_Client, None] = {}
        self._rest: Timer | None = None
        self._listener = _listen(path)
        self._group = os.stat(path).st_gid
        loop.watch(self._listener.fileno(), READ, self._accept)

    def close(self) -> None:
        """Stop listening, drop all clients, and remove the socket."""
        if self._rest is not None:
            self._rest.cancel()
        self.loop.unwatch(self._listener.fileno())
        self._listener.close()
        for client in list(self.clients):
            client.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def _accept(self, events: int) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as trouble:
            # Out of descriptors, most likely: the client stays in the queue, and epoll would tell of it without end.
            log.warning("control socket: cannot accept: %s", trouble.strerror)
            self.loop.rewatch(self._listener.fileno(), 0)
            self._rest = self.loop.call_later(REST, self._resume)
            return
        sock.setblocking(False)
        if not _may_control(sock, self._group):
            self._turn_away(sock, "permission denied: ask as root, as the daemon's user, or as a member of its group")
        elif len(self.clients) >= MOST_CLIENTS:
            self._turn_away(sock, f"{MOST_CLIENTS} clients are connected already; try again later")
        else:
            self.clients[_Client(self, sock)] = None

    def _resume(self) -> None:
        self.loop.rewatch(self._listener.fileno(), READ)

    @staticmethod
    def _turn_away(sock: socket.socket, why: str) -> None:
        with sock, contextlib.suppress(OSError):
            sock.send(_refusal(why).encode())


class _Client:
    """One connection: a request is read only when the answer to the one before has been written."""

    def __init__(self, server: ControlServer, sock: socket.socket) -> None:
        self._server = server
        self._loop = server.loop
        self._sock = sock
        self._received = bytearray()
        self._unsent = b""
        self._pieces: Iterator[str] = iter(())
        self._ready: Callable[[], None] = self._receive
        self._ended = False
        self._timer: Timer = self._loop.call_later(PATIENCE, self.close)
        self._loop.watch(sock.fileno(), READ, self._happened)

    def close(self) -> None:
        if self._sock.fileno() < 0:
            return
        self._timer.cancel()
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()
        self._pieces = iter(())
        self._server.clients.pop(self, None)

    def _happened(self, events: int) -> None:
        try:
            self._ready()
        except OSError:
            self.close()
        except Exception:
            log.exception("cannot answer a control client")
            self.close()

    def _receive(self) -> None:
        data = self._sock.recv(_PIECE)
        self._received += data
        self._ended = not data
        self._next_request()

    def _next_request(self) -> None:
        line, newline, rest = bytes(self._received).partition(b"\n")
        if newline:
            self._received = bytearray(rest)
            self._wait()
            self._serve(line)
        elif self._ended:
            self.close()
        elif len(self._received) > LONGEST_REQUEST:
            self._received.clear()
            self._ended = True
            self._begin(iter((_refusal(f"a request is one line of at most {LONGEST_REQUEST} bytes"),)))
        else:
            self._ready = self._receive
            self._loop.rewatch(self._sock.fileno(), READ)

    def _wait(self) -> None:
        """While a command works, hear of nothing but the connection's end."""
        self._ready = self.close
        self._timer.cancel()
        self._loop.rewatch(self._sock.fileno(), 0)

    def _serve(self, line: bytes) -> None:
        try:
            command, arguments = self._parse(line)
            command(arguments, partial(self._answer, [False]))
        except Unanswerable as why:
            self._begin(iter((_refusal(str(why)),)))
        except Exception:
            log.exception("control command failed: %r", line[:200])
            self._begin(iter((_refusal("internal error; the daemon's log has the details"),)))

    def _parse(self, line: bytes) -> tuple[ControlCommand, Mapping[str, object]]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            raise Unanswerable("a request is one line of JSON") from None
        if not isinstance(request, dict) or not isinstance(request.get("arguments", {}), dict):
            raise Unanswerable('a request is an object: {"version": 1, "command": NAME, "arguments": {...}}')
        if request.get("version") != VERSION:
            raise Unanswerable(f"this daemon speaks version {VERSION} of the control protocol; use its own tgtctl")
        command = self._server.commands.get(str(request.get("command")))
        if command is None:
            raise Unanswerable(f"there is no such command; there are {', '.join(sorted(self._server.commands))}")
        return command, request.get("arguments", {})

    def _answer(self, answered: list[bool], result: Result) -> None:
        if answered[0]:
            raise RuntimeError("a request was answered twice")
        answered[0] = True
        if self._sock.fileno() >= 0:
            self._begin(_text(result))

    def _begin(self, pieces: Iterator[str]) -> None:
        self._ready = self._send
        self._pieces = pieces
        self._timer.cancel()
        self._timer = self._loop.call_later(PATIENCE, self.close)
        self._loop.rewatch(self._sock.fileno(), WRITE)

    def _send(self) -> None:
        """Write one piece; the loop serves others before the next."""
        if not self._unsent:
            self._unsent = self._next_piece()
        if not self._unsent:
            self._next_request()
            return
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            return
        self._unsent = self._unsent[sent:]
        self._timer.cancel()
        self._timer = self._loop.call_later(PATIENCE, self.close)

    def _next_piece(self) -> bytes:
        gathered = []
        length = 0
        for piece in self._pieces:
            gathered.append(piece)
            length += len(piece)
            if length >= _PIECE:
                break
        return "".join(gathered).encode()


def _text(result: Result) -> Iterator[str]:
    if isinstance(result, Unanswerable):
        yield _refusal(str(result))
        return
    yield f'{{"version": {VERSION}, "ok": true, "result": '
    if isinstance(result, Mapping):
        yield json.dumps(result)
    else:
        yield from result
    yield "}\n"


def _refusal(why: str) -> str:
    return json.dumps({"version": VERSION, "ok": False, "error": why}) + "\n"


def _listen(path: Path) -> socket.socket:
    """Bind under another name, set the mode, then rename: nobody can connect before the mode is right."""
    draft = path.with_name(f".{path.name}.new")
    if len(os.fsencode(draft)) > 107:
        raise OSError(f"{path}: too long for a Unix socket; choose a shorter --run directory")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(draft))
        draft.chmod(0o660)
        listener.listen(MOST_CLIENTS)
        listener.setblocking(False)
        draft.rename(path)
    except OSError:
        listener.close()
        raise
    return listener


def _may_control(sock: socket.socket, group: int) -> bool:
    """Root, the daemon's user, and members of the socket's group, as its mode says.

    Checked here too, because the mode may be changed, or mapped away by a container.
    """
    _, uid, gid = struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid in {0, os.geteuid()}:
        return True
    return group in {gid, *_peer_groups(sock)}


def _peer_groups(sock: socket.socket) -> tuple[int, ...]:
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 1024)
    except OSError:
        return ()
    return struct.unpack(f"{len(raw) // 4}I", raw)
