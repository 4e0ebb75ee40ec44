"""Asking the running daemon: one request and its answer over the control socket. See tgtd.control for the protocol."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VERSION = 1
SOCKET = "control.sock"
REST = 0.05
"""Seconds until the next try while more clients than the daemon has room for wait to be let in."""


class Trouble(Exception):
    """Why a sub-command cannot do its work, for the user: cause and what to do."""


class NotRunning(Trouble):
    """There is no daemon at the other end."""


def ask(run: Path, command: str, arguments: Mapping[str, object] | None = None, timeout: float = 120.0) -> Any:
    """The result of a command. Raises NotRunning when nobody listens, Trouble for a refusal or no answer in time."""
    path = run / SOCKET
    request = json.dumps({"version": VERSION, "command": command, "arguments": arguments or {}}) + "\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        _connect(sock, path, time.monotonic() + timeout)
        try:
            sock.sendall(request.encode())
            line = _read_line(sock)
        except TimeoutError:
            raise Trouble(f"tgtd did not answer within {timeout:.0f} s; its log may say what it is busy with") from None
        except OSError as trouble:
            raise Trouble(f"the connection to tgtd broke: {trouble.strerror}") from None
    return _open(line)


def _connect(sock: socket.socket, path: Path, end: float) -> None:
    try:
        while not _let_in(sock, path):
            if time.monotonic() > end:
                raise Trouble("tgtd lets nobody in: too many others wait already; its log may say what it is busy with")
            time.sleep(REST)
    except (FileNotFoundError, NotADirectoryError):
        raise NotRunning(f"tgtd is not running (no socket at {path}); {_start(path)}") from None
    except ConnectionRefusedError:
        raise NotRunning(f"tgtd is not running (nobody listens at {path}); {_start(path)}") from None
    except PermissionError:
        raise Trouble(f"{path}: permission denied; use sudo, or join the group that owns the socket") from None
    except OSError as trouble:
        raise Trouble(f"{path}: {trouble.strerror or trouble}; is --run right?") from None


def _let_in(sock: socket.socket, path: Path) -> bool:
    """Whether there was room in the listener's queue (EAGAIN of connect, unix(7)). Raises OSError."""
    try:
        sock.connect(str(path))
    except BlockingIOError:
        return False
    return True


def _start(path: Path) -> str:
    if path.parent == Path("/run/tgtd"):
        return "start it with: systemctl start tgtd"
    return f"start it with: tgtd --run {path.parent} (and its --config and --state)"


def _read_line(sock: socket.socket) -> bytes:
    pieces = []
    while True:
        piece = sock.recv(1 << 18)
        if not piece:
            raise Trouble("tgtd closed the connection without an answer; its log may say why")
        pieces.append(piece)
        if piece.endswith(b"\n"):
            return b"".join(pieces)


def _open(line: bytes) -> Any:
    try:
        answer = json.loads(line)
    except ValueError:
        raise Trouble("what tgtd answered is no JSON; are tgtd and tgtctl of the same version?") from None
    if answer.get("ok") is not True:
        raise Trouble(str(answer.get("error", "tgtd refused")))
    return answer["result"]
