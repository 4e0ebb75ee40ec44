"""A worker process: the targets that it has been given, and nothing else. Started by tgtd.crew.process.

It opens no portal, reads no configuration and writes no status: the main process says what it is to serve, and hands it
connections. When the main process is gone it flushes its media and exits.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import pickle
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from tgtd import log as logs
from tgtd import translate
from tgtd.apply import Concert, Outcome, Transaction, Whereabouts
from tgtd.closing import Closing
from tgtd.config import model
from tgtd.config.plan import Plan
from tgtd.control import Result, Unanswerable
from tgtd.crew import speech
from tgtd.crew.channel import Channel
from tgtd.crew.speech import Hire
from tgtd.estate import clear_reservations, fault, guests, library, move_medium
from tgtd.fabrics import Fabrics
from tgtd.ledger import Ledger
from tgtd.loop import Loop
from tgtd.media import OPENERS
from tgtd.memories import Memories
from tgtd.net.iscsi.handover import Parcel
from tgtd.net.iscsi.service import IscsiService
from tgtd.notify import InheritedSockets
from tgtd.opening import Shop
from tgtd.rounds import Rounds
from tgtd.scsi.buffers import BufferPool
from tgtd.status import Census, Health, reservation_rows, session_rows, target_rows
from tgtd.tree import Tree
from tgtd.workers import Workers

log = logging.getLogger(__name__)

MOST_HEARD = 1 << 30
"""Bytes: a plan of 10,000 LUNs is some megabytes."""

_PIECE = 64 << 10
_ORPHAN_SECONDS = 1.0
"""How long initiators may take to log out when the main process is gone."""

Rows = Callable[[Tree, Health, int | None], Iterator[str]]


def guest_rows(tree: Tree, health: Health, worker: int | None = None) -> Iterator[str]:
    """One object: sessions, as lists of their fields, by target."""
    yield json.dumps({name: [dataclasses.astuple(one) for one in many] for name, many in guests(tree).items()})


_TOPICS: Mapping[str, Rows] = {
    speech.STATUS: target_rows,
    speech.SESSIONS: session_rows,
    speech.RESERVATIONS: reservation_rows,
    speech.GUESTS: guest_rows,
}
_ORDERS: Mapping[str, Callable[..., None]] = {
    speech.CLEAR: clear_reservations,
    speech.FAULT: fault,
    speech.MEDIUM: move_medium,
    speech.LIBRARY: library,
}
"""What is asked of one LUN: with the tree, the target, what else was said, and where the answer goes."""


class Worker:
    """`run` returns the exit status: 0, or 1 when not all media could be flushed and closed."""

    def __init__(self, sock: socket.socket) -> None:
        self.loop = Loop()
        self._channel = Channel(self.loop, sock, self._heard, self._orphaned, MOST_HEARD, sockets=True)
        self._health = Health(state="running")
        self._transaction: Transaction | None = None
        self._errand = 0
        self._committed = False
        self._told = 0  # sessions, as the main process knows them
        self._closing: Closing | None = None
        self._verbs: Mapping[str, Callable[..., None]] = {
            "hire": self._hire,
            "prepare": self._prepare,
            "commit": self._commit,
            "cancel": self._cancel,
            "released": self._released,
            "ask": self._ask,
            "ping": self._ping,
            "log": logging.getLogger("tgtd").setLevel,
            "stop": self._stop,
        }

    def run(self) -> int:
        """Serve until told to stop, or until the main process is gone."""
        self.loop.run()
        return 1 if self._closing is not None and self._closing.unclosed else 0

    def _heard(self, message: bytes, sock: socket.socket | None) -> None:
        verb, *rest = pickle.loads(message)  # from our parent, see tgtd.crew.speech
        if verb == "adopt":
            self._adopt(sock, *rest)
        else:
            self._verbs[verb](*rest)

    def _say(self, say: str, **what: object) -> None:
        self._channel.send(json.dumps({"say": say, **what}).encode())

    def _census(self) -> dict[str, int]:
        return dataclasses.asdict(Census.take(self.tree))

    # What it is told

    def _hire(self, hire: Hire) -> None:
        self.hire = hire
        self._settings = hire.settings
        self._set_up_log()
        workers = Workers(self.loop, self._share(hire.settings.limits.max_threads))
        workers.use_ring(hire.settings.io_uring)
        pool = BufferPool(self._share(hire.settings.limits.buffer_memory))
        shop = Shop(workers, pool, OPENERS, Ledger(hire.state), Memories(hire.state))
        service = IscsiService(
            self.loop, translate.limits(hire.settings.limits), pool, translate.access(hire.settings.discovery)
        )
        service.counted = self._counted
        fabrics = Fabrics(workers, pool, hire.installation)
        self.tree = Tree(shop, service, hire.installation, InheritedSockets([]), fabrics)
        self._rounds = Rounds(self.loop, self.tree)
        self._rounds.start()

    def _set_up_log(self) -> None:
        wish, hire = self._settings, self.hire
        logs.set_up(hire.log_level or wish.log_level, wish.log_format, worker=f"{hire.number}/{hire.crew}")

    def _share(self, whole: int) -> int:
        """What is bounded for the daemon as a whole is divided among its workers."""
        return max(1, whole // self.hire.crew)

    def _prepare(self, errand: int, plan: Plan, leaving: frozenset[Whereabouts]) -> None:
        self._errand = errand
        self._committed = False
        say = partial(self._say, errand=errand)
        concert = Concert(partial(say, speech.READY, errors=[]), leaving, partial(say, speech.RELEASED))
        self._transaction = Transaction(self.tree, plan, self._daemon_changed, partial(self._ended, errand), concert)
        self._transaction.start()

    def _ended(self, errand: int, outcome: Outcome) -> None:
        if not self._committed:
            self._say(speech.REFUSED, errand=errand, errors=outcome.errors)
            return
        self._say(speech.DONE, errand=errand, errors=outcome.errors, warnings=outcome.warnings, census=self._census())

    def _commit(self, errand: int) -> None:
        if self._transaction is not None and errand == self._errand:
            self._committed = True
            self._transaction.commit()

    def _cancel(self, errand: int) -> None:
        if self._transaction is not None and errand == self._errand:
            self._transaction.cancel("another part of the daemon could not do its part")

    def _released(self) -> None:
        if self._transaction is not None:
            self._transaction.released()

    def _daemon_changed(self, new: model.Daemon) -> None:
        """Adopt another tgtd.toml."""
        old, self._settings = self._settings, new
        shop, service = self.tree.shop, self.tree.service
        service.limits = translate.limits(new.limits)
        shop.pool.limit = self._share(new.limits.buffer_memory)
        shop.workers.max_threads = self._share(new.limits.max_threads)
        if old.io_uring != new.io_uring:
            shop.workers.use_ring(new.io_uring)
        if (old.log_level, old.log_format) != (new.log_level, new.log_format):
            self._set_up_log()

    def _adopt(
        self, sock: socket.socket | None, target: str, received: bytes, answered: int, since: float, number: int,
        elsewhere: int,
    ) -> None:  # fmt: skip
        ended = partial(self._say, speech.ENDED, connection=number)
        self.tree.service.elsewhere = elsewhere
        if sock is None:
            log.error("a connection for %s is lost: out of descriptors", target)
            ended()
        elif self._closing is not None:
            sock.close()
            ended()
        else:
            self.tree.service.adopt(Parcel(target, sock, received, answered, since), ended)

    def _counted(self) -> None:
        """Told at once: the main process bounds the sessions of all."""
        sessions = len(self.tree.service.sessions)
        if sessions != self._told:
            self._told = sessions
            self._say(speech.COUNT, sessions=sessions)

    def _ping(self) -> None:
        self._say(speech.PONG, census=self._census())

    def _ask(self, question: int, topic: str, arguments: tuple[Any, ...]) -> None:
        if topic in _ORDERS:
            try:
                _ORDERS[topic](self.tree, *arguments, partial(self._obeyed, question))
            except Unanswerable as why:
                self._obeyed(question, {"error": str(why)})
            except Exception:
                log.exception("%s failed: %r", topic, arguments)
                self._obeyed(question, {"error": "internal error; the daemon's log has the details"})
        else:
            self._send_pieces(question, _TOPICS[topic](self.tree, self._health, self.hire.number))

    def _obeyed(self, question: int, result: Result) -> None:
        self._say(speech.PIECE, question=question, text=json.dumps(result))
        self._say(speech.ANSWERED, question=question)

    def _send_pieces(self, question: int, pieces: Iterator[str]) -> None:
        """One message, then others have their turn before the next."""
        gathered: list[str] = []
        length = 0
        for piece in pieces:
            gathered.append(piece)
            length += len(piece)
            if length >= _PIECE:
                break
        if gathered:
            self._say(speech.PIECE, question=question, text="".join(gathered))
            self.loop.call_soon(partial(self._send_pieces, question, pieces))
        else:
            self._say(speech.ANSWERED, question=question)

    # Its end

    def _stop(self, timeout: float) -> None:
        """Asked again: wait less."""
        if self._closing is not None:
            self._closing.hasten()
            return
        self._rounds.stop()
        self._closing = Closing(self.loop, self.tree, lambda: None, self.loop.stop)
        self._closing.begin(timeout)

    def _orphaned(self, why: str) -> None:
        if not hasattr(self, "tree"):
            self.loop.stop()
            return
        log.error("the main process is gone (%s): media are flushed, then this worker ends", why)
        if self.tree.fabrics is not None:
            self.tree.fabrics.close()  # what the kernel has stays for the daemon that comes after us
        self._stop(_ORPHAN_SECONDS)


def main(arguments: list[str]) -> int:
    """arguments: the number of the descriptor that leads to the main process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    return Worker(socket.socket(fileno=int(arguments[0]))).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
