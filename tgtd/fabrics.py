"""Targets on fabrics of the kernel, as they run: rings that are served, and the kernel's configuration beside them.

What is asked of the kernel blocks, so a target comes to what is wished in turns: a worker looks, and takes away what
initiators lose; the rings of backstores that go are drained; a worker makes and unmakes backstores, and opens rings;
those are served; at last a worker gives initiators what is new. Whatever fails leaves the target pending: it says why,
and is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tgtd import translate
from tgtd.config import model
from tgtd.hw.configfs.backstore import Backstore, home
from tgtd.hw.configfs.difference import Steps, difference
from tgtd.hw.configfs.item import Item
from tgtd.hw.configfs.present import Present, described, mark
from tgtd.hw.configfs.release import leftovers, release
from tgtd.hw.configfs.tree import KernelTree
from tgtd.hw.fabrics import FABRICS
from tgtd.hw.fabrics.host import Host
from tgtd.hw.tcmu.ring import Distrust
from tgtd.hw.tcmu.server import Server
from tgtd.hw.tcmu.uio import Uio
from tgtd.net.iscsi.session import Session
from tgtd.opening import reason
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.target import Target, encode_lun
from tgtd.workers import Workers

log = logging.getLogger(__name__)

_NO_SIZE = 1 << 20
"""Bytes that the kernel is told of a unit whose size is not known, or that has none."""
_NO_BLOCK = 512
LOOKS = 15
"""With every how many looks it is seen whether others have changed what a target has in the kernel."""


class Lacking(OSError):
    """The machine is not ready for a target; the text says what is missing, and what to do."""


@dataclass(slots=True)
class _Visit:
    """A way to a wish, handed to workers and back. stores: path → LUN. served: those that have a server. steps: found
    by the first worker. opened: rings, by their backstore. state: how the port is in the end."""

    wish: model.Target
    items: list[Item]
    stores: Mapping[str, int]
    served: frozenset[str]
    steps: Steps = field(default_factory=Steps)
    state: str = ""
    opened: dict[str, Uio] = field(default_factory=dict)


class Fabrics:
    """Those of one process. host, tree, open_ring: other ones for tests."""

    def __init__(
        self,
        workers: Workers,
        pool: BufferPool,
        installation: bytes,
        host: Host | None = None,
        tree: KernelTree | None = None,
        open_ring: Callable[[Path], Uio] = Uio.open,
    ) -> None:
        self.loop = workers.loop
        self.pool = pool
        self.installation = installation
        self.host = host or Host()
        self.tree = tree or KernelTree()
        self.open_ring = open_ring
        self.lane = workers.lane(1)
        self.rescue = workers.lane(1)
        """For rings that `lane` waits for."""
        self._sides: dict[FabricSide, None] = {}
        self._then: Callable[[], None] | None = None

    def side(self, wish: model.Target, scsi: Target) -> FabricSide:
        """Of a target that is not shown yet."""
        return FabricSide(self, wish, scsi)

    def enter(self, side: FabricSide) -> None:
        self._sides[side] = None

    def parted(self, side: FabricSide) -> None:
        """It has let go of everything; what it had others may wait for."""
        self._sides.pop(side, None)
        self.look()
        self._gone()

    def look(self) -> None:
        """Called every few seconds: what is pending is tried again."""
        for side in list(self._sides):
            side.look()

    def leave(self, done: Callable[[], None]) -> None:
        """Take all targets out of the kernel; `done()` once. The caller bounds the wait."""
        self._then = done
        for side in list(self._sides):
            side.hide()
        self._gone()

    def _gone(self) -> None:
        if self._then is not None and not self._sides:
            done, self._then = self._then, None
            self.loop.call_soon(done)

    def close(self) -> None:
        """At once: the kernel keeps what it has, and a successor finds it."""
        while self._sides:
            self._sides.popitem()[0].close()


class FabricSide:
    """A target on a fabric. See sides.Side."""

    sessions: Sequence[Session] = ()

    def __init__(self, fabrics: Fabrics, wish: model.Target, scsi: Target) -> None:
        self.cause: str | None = "it is being set up"
        self.state = "not set up"
        self._fabrics = fabrics
        self._wish = wish
        self._scsi = scsi
        self._nexus = Nexus(scsi, "", "", b"", scsi.groups[0].number)
        self._servers: dict[str, Server] = {}
        self._done: tuple[object, ...] | None = None  # what the kernel has, as far as we know
        self._dirty = False
        self._busy = False
        self._waiting = False  # a worker is at it with what may wait for commands of initiators
        self._going = False
        self._closed = False
        self._draining = 0
        self._looks = 0
        self._standing = Steps()  # what differs right after all was done: the kernel has its own mind there

    @property
    def settling(self) -> bool:
        return self._busy or self._dirty

    @property
    def servers(self) -> Mapping[str, Server]:
        return self._servers

    def show(self) -> None:
        self._scsi.connect(self._nexus)
        self._fabrics.enter(self)
        self.refresh()

    def hide(self) -> None:
        """Its LUNs leave the kernel, then it lets go."""
        if not self._going:
            self._going = True
            self.refresh()

    def change(self, wish: model.Target) -> None:
        self._wish = wish
        self._nexus.relative_port = self._scsi.groups[0].number
        self.refresh()

    def recheck(self) -> list[str]:
        """The kernel does, when its access lists change."""
        return []

    def refresh(self) -> None:
        self._dirty = True
        if not self._busy:
            self._begin()

    def look(self) -> None:
        """A pending one tries again; another one is asked how its port is, and now and then, whether the kernel has it
        still as it is wished."""
        if self._busy:
            return
        if self.cause is not None:
            self._done = None
            self.refresh()
        elif self._fabrics.lane.idle():
            self._looks += 1
            visit = self._visit()
            whole = self._looks % LOOKS == 0
            self._fabrics.lane.submit(partial(self._see, visit, whole), partial(self._asked, visit))

    def _see(self, visit: _Visit, whole: bool) -> None:
        """In a worker."""
        visit.state = _ask(self._fabrics.host, visit.wish)
        visit.steps = self._look_there(visit) if whole else self._standing

    def _asked(self, visit: _Visit, error: BaseException | None) -> None:
        if isinstance(error, Lacking):
            if visit.wish is self._wish and not (self._busy or self._going):
                self._complain(str(error))
        elif error is not None:
            log.error("cannot see how the port of %s is: %s", visit.wish.name, reason(error))
        elif visit.wish is self._wish:
            self.state = visit.state
            if self._done == (visit.items, visit.wish.transport) and not (self._busy or self._going):
                self._compare(visit.steps)

    def _compare(self, steps: Steps) -> None:
        """Put right what others have changed."""
        if steps and steps != self._standing:
            self._complain(f"somebody else has changed {_first(steps)} in the kernel; it is put right")
            self._done = None
            self.refresh()

    def status(self) -> dict[str, object]:
        assert self._wish.fabric is not None
        servers = self._servers.values()
        return {
            "fabric": self._wish.transport,
            "port": self._wish.fabric.port,
            "state": "offline" if not self._wish.online else "online" if self.cause is None else "pending",
            "cause": self.cause,
            "port_state": self.state,
            "commands": sum(server.commands for server in servers),
            "bytes_read": sum(server.bytes_in for server in servers),
            "bytes_written": sum(server.bytes_out for server in servers),
            "refused_entries": sum(server.refused for server in servers),
        }

    def close(self) -> None:
        """Let go of the rings, whatever is on its way."""
        self._closed = True
        for server in list(self._servers.values()):
            server.close()
        self._servers.clear()

    # The way to what is wished, in turns of this thread and of workers

    def _begin(self) -> None:
        self._dirty = False
        visit = self._visit()
        known = (visit.items, self._wish.transport)
        if self._done == known and self.cause is None:
            self._finish(visit)
            return
        self._busy = self._waiting = True
        self._done = None
        self._fabrics.lane.submit(partial(self._take_away, visit), partial(self._taken, visit))

    def _visit(self) -> _Visit:
        """What the kernel is to have now."""
        wish = self._wish
        stores = {} if self._going else {store.path: store for store in self._backstores()}
        numbers = {path: store.lun for path, store in stores.items()}
        port = translate.fabric_port(wish, {lun: path for path, lun in numbers.items()})
        items = [item for store in stores.values() for item in store.items()]
        items += FABRICS[wish.transport].items(port)
        return _Visit(wish, items, numbers, frozenset(self._servers))

    def _backstores(self) -> Iterable[Backstore]:
        assert self._wish.fabric is not None
        for number, unit in sorted(self._scsi.luns.items()):
            yield Backstore(
                self._fabrics.installation,
                self._wish.name,
                number,
                _size(unit),
                getattr(unit, "block_size", 0) or _NO_BLOCK,
                unit.identity.serial,
                self._wish.fabric.cmd_time_out,
            )

    def _take_away(self, visit: _Visit) -> None:
        """In a worker."""
        fabrics, fabric = self._fabrics, FABRICS[visit.wish.transport]
        assert visit.wish.fabric is not None
        port = visit.wish.fabric.port
        lack = fabric.lack(fabrics.host, port) if visit.items else None
        if lack is not None:
            raise Lacking(str(lack))
        with fabrics.tree.alone():
            visit.steps = self._look_there(visit)
            fabrics.tree.carry_out(visit.steps.leave)

    def _look_there(self, visit: _Visit) -> Steps:
        """In a worker: the way to what is wished, as things are in the kernel."""
        fabrics, fabric = self._fabrics, FABRICS[visit.wish.transport]
        assert visit.wish.fabric is not None
        port = visit.wish.fabric.port
        begin = mark(fabrics.installation, visit.wish.name)
        present = fabrics.tree.take(visit.items)
        stranger = present.stranger_at(fabric.group(port), begin)
        if stranger is not None and visit.items:
            raise Lacking(f"{port} is in use: {_who(present, stranger)}; choose another port, or remove it there")
        owned = present.owned(begin, home(fabrics.installation, visit.wish.name))
        return difference(visit.items, present, owned)

    def _taken(self, visit: _Visit, error: BaseException | None) -> None:
        self._waiting = False
        if error is not None or self._closed:
            self._fail(visit, error)
            return
        ending = [path for path in self._servers if path in visit.steps.doomed or path not in visit.stores]
        self._draining = len(ending)
        for path in ending:
            self._servers.pop(path).drain(partial(self._drained, visit))
        if not ending:
            self._make(visit)

    def _drained(self, visit: _Visit) -> None:
        self._draining -= 1
        if not self._draining:
            self._make(visit)

    def _make(self, visit: _Visit) -> None:
        visit.served = frozenset(self._servers)
        self._fabrics.lane.submit(partial(self._make_stores, visit), partial(self._made, visit))

    def _make_stores(self, visit: _Visit) -> None:
        """In a worker."""
        fabrics = self._fabrics
        fabrics.tree.carry_out(visit.steps.stores)
        for path in visit.stores:
            if path not in visit.served:
                visit.opened[path] = fabrics.open_ring(fabrics.tree.root / path)

    def _made(self, visit: _Visit, error: BaseException | None) -> None:
        if error is not None or self._closed:
            self._fail(visit, error)
            return
        try:
            for path in list(visit.opened):
                self._serve(path, visit.stores[path], visit.opened[path])
                del visit.opened[path]
        except Distrust as trouble:
            self._fail(visit, OSError(str(trouble)))
            return
        self._waiting = True
        self._fabrics.lane.submit(partial(self._give, visit), partial(self._given, visit))

    def _serve(self, path: str, lun: int, ring: Uio) -> None:
        """Raises Distrust."""
        fabrics = self._fabrics
        lost = partial(self._lost, path)
        self._servers[path] = Server(fabrics.loop, fabrics.pool, self._nexus, encode_lun(lun), ring, lost)

    def _lost(self, path: str, why: str) -> None:
        """A ring is gone, or not to be trusted: it is taken over anew."""
        self._servers.pop(path, None)
        number = path.rpartition("_")[2]
        self._complain(f"LUN {number}: {why}")
        if self._waiting and not self._closed:
            found: list[Uio] = []
            take_over = partial(self._fabrics.open_ring, self._fabrics.tree.root / path)
            self._fabrics.rescue.submit(
                lambda: found.append(take_over()), partial(self._rescued, path, int(number), found)
            )

    def _rescued(self, path: str, lun: int, found: list[Uio], error: BaseException | None) -> None:
        """The kernel scans a LUN while a worker links it, and nobody answers but us: what was lost then cannot wait for
        the next visit. With an error it has to."""
        for ring in found:
            if not self._waiting or self._closed or path in self._servers:
                ring.close()
                continue
            try:
                self._serve(path, lun, ring)
            except Distrust:
                ring.close()

    def _give(self, visit: _Visit) -> None:
        """In a worker. Others may have been at work since `_take_away`."""
        tree = self._fabrics.tree
        with tree.alone():
            tree.carry_out(self._look_there(visit).join)
            visit.steps = self._look_there(visit)
        visit.state = _ask(self._fabrics.host, visit.wish)

    def _given(self, visit: _Visit, error: BaseException | None) -> None:
        self._waiting = False
        if error is not None or self._closed:
            self._fail(visit, error)
            return
        self._done, self._standing = (visit.items, visit.wish.transport), visit.steps
        self.state = visit.state
        if self._servers.keys() >= visit.stores.keys():
            if self.cause is not None and not self._going:
                log.info("%s is set up: %s", visit.wish.name, self.state, extra={"TARGET": visit.wish.name})
            self.cause = None
        self._finish(visit)

    def _fail(self, visit: _Visit, error: BaseException | None) -> None:
        for ring in visit.opened.values():
            ring.close()
        if error is None:
            return
        self._complain(str(error) if isinstance(error, Lacking) else reason(error))
        self._finish(visit)

    def _complain(self, cause: str) -> None:
        if cause != self.cause:
            name, origin = self._wish.name, self._wish.origin
            log.warning("%s is pending: %s (%s)", name, cause, origin, extra={"TARGET": name})
        self.cause = cause

    def _finish(self, visit: _Visit) -> None:
        self._busy = False
        if self._closed:
            return
        if self._dirty:
            self._begin()
        elif self._going and not visit.stores and self.cause is None:
            self._scsi.disconnect(self._nexus)
            self.close()
            self._fabrics.parted(self)


def _first(steps: Steps) -> str:
    """Where the first difference is, and how many more there are."""
    paths = list(dict.fromkeys(step.path for step in steps))
    return paths[0] + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def _ask(host: Host, wish: model.Target) -> str:
    """In a worker: how the port is."""
    assert wish.fabric is not None
    return FABRICS[wish.transport].state(host, wish.fabric.port)


def _size(unit: LogicalUnit) -> int:
    return getattr(unit, "capacity", None) or _NO_SIZE


def _who(present: Present, store: str) -> str:
    """Whose a backstore is, for people."""
    who = described(present.configurations.get(store, ""))
    if who is None:
        return f"the kernel has {store} of another program there (targetcli ls shows it)"
    return f'LUN {who[2]} of target "{who[1]}" of the tgtd with installation id {who[0][:8]}... is there'


def sweep(fabrics: Fabrics, keep: Iterable[str]) -> None:
    """Take out of the kernel what an earlier life of this daemon left there, and nobody wants any more. keep: names of
    the targets there are."""
    wanted = {mark(fabrics.installation, name) for name in keep}

    def clear() -> None:
        for left in leftovers(fabrics.tree.take()):
            mine = left.installation == fabrics.installation.hex()
            if mine and left.begin not in wanted:
                log.warning("%s is no longer configured, and is taken out of the kernel", left.target)
                for trouble in release(fabrics.tree, left, fabrics.open_ring):
                    log.error("%s: %s", left.target, trouble)

    def cleared(error: BaseException | None) -> None:
        if error is not None:
            log.error("cannot take targets that are gone out of the kernel: %s", reason(error))

    fabrics.lane.submit(clear, cleared)
