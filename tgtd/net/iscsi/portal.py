"""A network portal: a listening TCP socket (RFC 7143 4.4). With `connection.py` the only sockets of this room."""

from __future__ import annotations

import errno
import logging
import select
import socket
from collections.abc import Callable

from tgtd.net.iscsi.loops import Loop, Timer

log = logging.getLogger(__name__)

_BACKLOG = 1024
_PER_TURN = 64
_REST = 1.0


class Portal:
    """Listens; from `start` on accepts connections and hands each to `accepted(socket)`. Until then they wait.

    sock: one that already listens (socket activation). Raises OSError when the address cannot be had.
    """

    def __init__(
        self, loop: Loop, address: str, port: int, accepted: Callable[[socket.socket], None], sock: socket.socket | None
    ) -> None:
        self._loop = loop
        self._accepted = accepted
        self._rest: Timer | None = None
        self.adopted = sock is not None
        """The socket was passed to the process: the tests' way to tell."""
        self._sock = sock if sock is not None else _listen(address, port)
        self._sock.setblocking(False)
        self.address = address
        self.port: int = self._sock.getsockname()[1]
        self._started = False

    def start(self) -> None:
        """Accept. Does nothing when it does already."""
        if not self._started:
            self._started = True
            self._loop.watch(self._sock.fileno(), select.EPOLLIN, self._ready)

    def _ready(self, events: int) -> None:
        for _ in range(_PER_TURN):
            try:
                sock, _ = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._pause(error)
                    return
                continue  # the peer gave up before we came to it
            self._accepted(sock)

    def _pause(self, error: OSError) -> None:
        """Out of descriptors or memory: epoll would wake us for nothing, so look again in a while."""
        log.error("cannot accept connections on %s:%d: %s", self.address, self.port, error.strerror)
        self._loop.rewatch(self._sock.fileno(), 0)
        self._rest = self._loop.call_later(_REST, self._resume)

    def _resume(self) -> None:
        self._loop.rewatch(self._sock.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Stop listening; connections that were accepted live on."""
        if self._rest is not None:
            self._rest.cancel()
        if self._started:
            self._loop.unwatch(self._sock.fileno())
        self._sock.close()


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            host = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0][4]
            sock.bind(host)
        else:
            sock.bind((address, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
