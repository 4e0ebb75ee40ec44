"""A daemon's other end of the control socket: answers what it was told to, one request a connection."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Desk:
    """run: what --run names. asked: the requests that came."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.asked: list[Any] = []
        self.raw: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(run / "control.sock"))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def answer(self, result: object) -> None:
        self.raw.append(json.dumps({"version": 1, "ok": True, "result": result}).encode() + b"\n")

    def refuse(self, why: str) -> None:
        self.raw.append(json.dumps({"version": 1, "ok": False, "error": why}).encode() + b"\n")

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock, sock.makefile("rb") as lines:
                self.asked.append(json.loads(lines.readline()))
                sock.sendall(self.raw.pop(0))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@contextmanager
def desk(run: Path) -> Iterator[Desk]:
    it = Desk(run)
    it.start()
    yield it
    it.stop()
