"""The crew: all worker processes, as the main process sees them. What `estate.Alone` is for one process.

The main process has the portals, every target without its LUNs (which is what logins and discovery have to know), and
the control socket. A login that names a target goes to that target's worker, with its socket.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tgtd.apply import Concert, Outcome, Transaction
from tgtd.config import model
from tgtd.config.plan import Plan
from tgtd.control import Result
from tgtd.crew import parts, speech
from tgtd.crew.member import BEAT, Member
from tgtd.crew.placement import Placement, moved, place
from tgtd.crew.questions import Questions
from tgtd.crew.speech import Hire
from tgtd.crew.venture import Venture
from tgtd.estate import Guest, Guests, Undertaking, guests
from tgtd.loop import Loop
from tgtd.net.iscsi.handover import Parcel
from tgtd.status import Census, Health, framed, overview, reservation_rows, session_rows, target_rows
from tgtd.tree import Tree

log = logging.getLogger(__name__)

_LAUNCH_SECONDS = 60.0
"""How long the daemon waits, at its start, for workers to serve."""


@dataclass(slots=True)
class _Waiting:
    """A connection for a worker that is being started."""

    parcel: Parcel
    address: str


@dataclass(slots=True)
class _Berth:
    """A worker with what it was handed. connections: the address of each, by number."""

    member: Member
    connections: dict[int, str] = field(default_factory=dict)
    waiting: list[_Waiting] = field(default_factory=list)


class Crew:
    """`count` workers, started with the first transaction. hire: what each is told first, its number aside."""

    def __init__(
        self,
        loop: Loop,
        tree: Tree,
        count: int,
        hire: Callable[[int], Hire],
        daemon_changed: Callable[[model.Daemon], None],
    ) -> None:
        self._loop = loop
        self._tree = tree
        self._hire = hire
        self._daemon_changed = daemon_changed
        self._config: model.Config | None = None
        self._placement: Placement = {}
        self._berths = {number: _Berth(Member(loop, number, self)) for number in range(1, count + 1)}
        self._questions = Questions(loop)
        self._connections = 0
        self._launched: Callable[[], None] = lambda: None
        self._stopped: Callable[[], None] | None = None
        self._timeout = 0.0
        self._beating = loop.call_later(BEAT, self._beat)
        tree.service.courier = self._carry

    @property
    def members(self) -> list[Member]:
        return [berth.member for berth in self._berths.values()]

    # Estate

    def transaction(self, config: model.Config, plan: Plan, then: Callable[[Outcome], None]) -> Undertaking:
        before = self._placement
        after = place(config.targets, before, len(self._berths))
        shares = parts.share(plan, self._config, config, before, after, self._berths)
        if self._config is None:
            launch = partial(self._launch, config, after)
            return _Launch(self._tree, shares.main, self._daemon_changed, launch, then)
        warnings = [f"{name} has moved to worker {after[name]}" for name in moved(before, after)]
        serving = {member.number: member for member in self.members if member.serving}
        adopt = partial(self._adopt, config, after)
        return Venture(self._loop, self._tree, plan, shares, serving, self._daemon_changed, adopt, warnings, then)

    def _launch(self, config: model.Config, placement: Placement, commit: Callable[[], None]) -> None:
        """Start all workers; `commit()` when they serve, or when that takes too long."""
        self._config, self._placement = config, placement
        late = self._loop.call_later(_LAUNCH_SECONDS, commit)

        def one_more() -> None:
            if all(member.serving for member in self.members):
                late.cancel()
                self._launched = lambda: None
                commit()

        self._launched = one_more
        for member in self.members:
            member.start()

    def _adopt(self, config: model.Config, placement: Placement) -> list[Member]:
        self._config, self._placement = config, placement
        return [member for member in self.members if not member.serving]

    def moves(self, config: model.Config) -> Mapping[str, str]:
        after = place(config.targets, self._placement, len(self._berths))
        return {
            name: f"move {name} to worker {after[name]}, where a target is that it now shares a medium with"
            for name in moved(self._placement, after)
        }

    def census(self) -> Census:
        whole = sum((member.census for member in self.members), Census.take(self._tree))
        whole.targets = len(self._tree.targets)
        whole.connections = len(self._tree.service.connections) + sum(
            len(berth.connections) + len(berth.waiting) for berth in self._berths.values()
        )
        return whole

    def guests(self, then: Callable[[Guests], None]) -> None:
        def answered(texts: Mapping[int, str | None]) -> None:
            found = dict(guests(self._tree))
            for text in texts.values():
                for name, many in json.loads(text or "{}").items():
                    found[name] = [Guest(*map(str, one)) for one in many]
            then(found)

        self._questions.ask(self.members, speech.GUESTS, answered)

    def status(self, health: Health, reply: Callable[[Result], None]) -> None:
        def answered(texts: Mapping[int, str | None]) -> None:
            head = overview(self._tree, health, self.census(), [self._row(member) for member in self.members])
            mute = {number for number, text in texts.items() if text is None}
            unknown = [name for name, number in self._placement.items() if number in mute]
            rows = [*texts.values(), *(self._without_luns(name, health) for name in unknown)]
            reply(framed(head, "targets", _joined(rows)))

        self._questions.ask(self.members, speech.STATUS, answered)

    def _row(self, member: Member) -> dict[str, object]:
        return member.as_dict(sum(number == member.number for number in self._placement.values()))

    def _without_luns(self, name: str, health: Health) -> str:
        """A target whose worker does not answer."""
        return "".join(target_rows(self._tree, health, self._placement[name], (name,)))

    def sessions(self, health: Health, reply: Callable[[Result], None]) -> None:
        def answered(texts: Mapping[int, str | None]) -> None:
            ours = "".join(session_rows(self._tree, health))
            reply(framed({}, "sessions", _joined([ours, *texts.values()])))

        self._questions.ask(self.members, speech.SESSIONS, answered)

    def reservations(self, health: Health, reply: Callable[[Result], None]) -> None:
        def answered(texts: Mapping[int, str | None]) -> None:
            ours = "".join(reservation_rows(self._tree, health))
            reply(framed({}, "reservations", _joined([ours, *texts.values()])))

        self._questions.ask(self.members, speech.RESERVATIONS, answered)

    def clear_reservations(self, target: object, lun: object, reply: Callable[[Result], None]) -> None:
        self._ask_about(target, speech.CLEAR, (lun,), reply)

    def fault(self, target: object, lun: object, hang: bool, reply: Callable[[Result], None]) -> None:
        self._ask_about(target, speech.FAULT, (lun, hang), reply)

    def move_medium(
        self, target: object, lun: object, eject: bool, force: bool, reply: Callable[[Result], None]
    ) -> None:
        self._ask_about(target, speech.MEDIUM, (lun, eject, force), reply)

    def library(
        self, target: object, lun: object, what: str, words: Sequence[object], reply: Callable[[Result], None]
    ) -> None:
        self._ask_about(target, speech.LIBRARY, (lun, what, words), reply)

    def _ask_about(
        self, target: object, topic: str, arguments: tuple[object, ...], reply: Callable[[Result], None]
    ) -> None:
        number = self._placement.get(str(target))
        asked = [] if number is None else [self._berths[number].member]
        self._questions.of_target(asked, topic, target, arguments, reply)

    def log_level(self, level: str) -> None:
        for member in self.members:
            member.send("log", level.upper())

    def stop(self, timeout: float, done: Callable[[], None]) -> None:
        self._stopped = done
        self._timeout = timeout
        for berth in self._berths.values():
            self._drop_waiting(berth)
            berth.member.stop(timeout)
        self._look()

    def hasten(self) -> None:
        for member in self.members:
            member.stop(0)

    def close(self) -> None:
        self._beating.cancel()
        for member in self.members:
            member.close()

    @property
    def lost(self) -> bool:
        return any(member.last_status for member in self.members)

    def _look(self) -> None:
        if self._stopped is not None and all(member.pid is None for member in self.members):
            done, self._stopped = self._stopped, None
            self._loop.call_soon(done)

    # What members ask (member.Owner)

    def hire(self, number: int) -> Hire:
        return self._hire(number)

    def outset(self, number: int) -> Plan:
        assert self._config is not None
        return parts.outset(self._config, self._placement, number)

    def serves(self, member: Member) -> None:
        berth = self._berths[member.number]
        waiting, berth.waiting = berth.waiting, []
        for one in waiting:
            self._hand_over(berth, one.parcel, one.address)
        self._launched()

    def ended(self, member: Member) -> None:
        berth = self._berths[member.number]
        gone, berth.connections = berth.connections, {}
        for address in gone.values():
            self._tree.service.parted(address)
        self._questions.lost(member)
        self._recount()
        self._look()

    def told(self, member: Member, row: Mapping[str, Any]) -> None:
        say = row["say"]
        if say == speech.ENDED:
            address = self._berths[member.number].connections.pop(row["connection"], None)
            if address is not None:
                self._tree.service.parted(address)
        elif say == speech.COUNT:
            self._recount()
        elif say in (speech.PIECE, speech.ANSWERED):
            self._questions.told(member, row)
        else:
            raise ValueError(f"no such word: {say!r}")

    def _recount(self) -> None:
        self._tree.service.elsewhere = sum(member.census.sessions for member in self.members)

    def _beat(self) -> None:
        self._beating = self._loop.call_later(BEAT, self._beat)
        for berth in self._berths.values():
            berth.member.beat()
            self._expire(berth)

    # Connections

    def _carry(self, parcel: Parcel, address: str) -> None:
        berth = self._berths[self._placement[parcel.target]]
        if berth.member.stopping:
            self._turn_away(parcel, address)
        elif berth.member.serving:
            self._hand_over(berth, parcel, address)
        else:
            berth.waiting.append(_Waiting(parcel, address))

    def _hand_over(self, berth: _Berth, parcel: Parcel, address: str) -> None:
        self._connections += 1
        berth.connections[self._connections] = address
        elsewhere = sum(member.census.sessions for member in self.members if member is not berth.member)
        berth.member.send(
            "adopt", parcel.target, parcel.received, parcel.answered, parcel.since, self._connections,
            elsewhere + len(self._tree.service.sessions), sock=parcel.sock,
        )  # fmt: skip

    def _expire(self, berth: _Berth) -> None:
        """A login takes login_timeout at most, also while its worker is being started."""
        limit = self._loop.time() - self._tree.service.limits.login_timeout
        late = [one for one in berth.waiting if one.parcel.since < limit]
        berth.waiting = [one for one in berth.waiting if one.parcel.since >= limit]
        for one in late:
            log.warning("%s: login given up: worker %d does not serve", one.address, berth.member.number)
            self._turn_away(one.parcel, one.address)

    def _drop_waiting(self, berth: _Berth) -> None:
        for one in berth.waiting:
            self._turn_away(one.parcel, one.address)
        berth.waiting.clear()

    def _turn_away(self, parcel: Parcel, address: str) -> None:
        with contextlib.suppress(OSError):
            parcel.sock.close()
        self._tree.service.parted(address)


class _Launch:
    """The first plan: nothing runs yet, so only portals can refuse it."""

    def __init__(
        self,
        tree: Tree,
        plan: Plan,
        daemon_changed: Callable[[model.Daemon], None],
        launch: Callable[[Callable[[], None]], None],
        then: Callable[[Outcome], None],
    ) -> None:
        concert = Concert(lambda: launch(self._main.commit))
        self._main = Transaction(tree, plan, daemon_changed, then, concert)

    def start(self) -> None:
        self._main.start()

    def cancel(self, why: str) -> None:
        self._main.cancel(why)


def _joined(texts: Iterable[str | None]) -> Iterator[str]:
    """Insides of lists, one after the other; those that are empty, or that nobody knows, are left out."""
    separator = ""
    for text in texts:
        if text:
            yield separator + text
            separator = ", "
