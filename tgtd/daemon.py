"""The composition root: makes every part of the daemon, ties them together, starts and stops them."""

from __future__ import annotations

import contextlib
import logging
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tgtd import __version__, log, translate
from tgtd.apply import Outcome
from tgtd.config import model
from tgtd.config.load import Loader
from tgtd.config.watch import Watch
from tgtd.control import ControlServer
from tgtd.ledger import Ledger
from tgtd.loop import Loop, Timer
from tgtd.media import OPENERS
from tgtd.net.iscsi.service import IscsiService
from tgtd.notify import InheritedSockets, Notifier
from tgtd.premises import CannotStart, Claim, installation, layers, listen, raise_file_limit
from tgtd.reload import FILE_CHANGE, Reloader
from tgtd.requests import Requests
from tgtd.scsi.buffers import BufferPool
from tgtd.status import Census, Health, counted
from tgtd.tree import Tree
from tgtd.units import Shop, State, Unit
from tgtd.workers import Workers

logger = logging.getLogger(__name__)

TICK = 2.0
"""Seconds between looks at pending media and at the size of those whose size was not declared."""

_PER_TICK = 200
_STATUS_TICKS = 5
_FLUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """The command line. config None: the system's layers. log_level None: as configured."""

    config: Path | None
    state: Path
    run: Path
    log_level: str | None = None


class Daemon:
    """One daemon; `run` returns its exit status: 0, or 1 when not all media could be flushed and closed.

    Raises CannotStart, ConfigErrors.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.health = Health()
        self.notifier = Notifier()
        self._claims = [Claim(options.state, "--state"), Claim(options.run, "--run")]
        self._layers = layers(options.config)
        loader = Loader(self._layers)
        config = loader.load()
        self.settings = config.daemon
        self._set_up_log(config.daemon)
        raise_file_limit(config)
        self.loop = Loop()
        limits = config.daemon.limits
        workers = Workers(self.loop, limits.max_threads)
        workers.use_ring(config.daemon.io_uring)
        shop = Shop(workers, BufferPool(limits.buffer_memory), OPENERS, Ledger(options.state))
        service = IscsiService(
            self.loop, translate.limits(limits), shop.pool, translate.access(config.daemon.discovery)
        )
        self.inherited = InheritedSockets.from_environment()
        self.tree = Tree(shop, service, installation(options.state), self.inherited)
        self.reloader = Reloader(self.tree, loader, self.health, self.notifier, self._daemon_changed)
        self._config = config
        self._control: ControlServer | None = None
        self._watch: Watch | None = None
        self._secret_files: list[Path] = []
        self._deadline: Timer | None = None
        self._ticks = 0
        self._round = 0
        self._unclosed: dict[Unit, None] = {}
        self._failure: str | None = None

    def run(self) -> int:
        """Serve until told to stop."""
        for number, act in ((signal.SIGTERM, self.stop), (signal.SIGINT, self.stop), (signal.SIGHUP, self._hangup)):
            self.loop.on_signal(number, act)
        try:
            requests = Requests(self.tree, self.reloader, self.health, self)
            self._control = listen(self.loop, self.options.run, requests.table())
            self.loop.call_soon(lambda: self.reloader.start(self._config, self._started))
            self.loop.run()
        finally:
            self._close()
        if self._failure is not None:
            raise CannotStart(self._failure)
        return 1 if self._unclosed else 0

    def _started(self, outcome: Outcome) -> None:
        if outcome.errors:
            self._failure = "\n".join(outcome.errors)
            self.loop.stop()
            return
        if self.health.state == "stopping":
            return
        self.health.state = "running"
        self._follow_secrets(self.reloader.secret_files())
        self.reloader.on_loaded = self._follow_secrets
        self._start_watching()
        for warning in self._config.warnings:
            logger.warning("%s", warning)
        self._report_unused_sockets()
        self.notifier.ready(self.reloader.summary())
        with contextlib.suppress(OSError):  # whoever started us may have closed the other end
            print(self._ready_line(), flush=True)
        self.notifier.watch_over(self.loop)
        self.loop.call_later(TICK, self._tick)

    def _ready_line(self) -> str:
        census = Census.take(self.tree)
        portals = sorted(str(model.Portal(*endpoint)) for endpoint in self.tree.service.portals)
        more = f" and {len(portals) - 4} more" if len(portals) > 4 else ""
        where = ", ".join(portals[:4]) + more or "no portal"
        return (
            f"tgtd {__version__} ready: {counted(census.targets, 'target')}, {counted(census.luns, 'LUN')} on {where}"
        )

    def _report_unused_sockets(self) -> None:
        for address, port in self.inherited.addresses():
            if (address, port) not in self.tree.service.portals:
                logger.warning(
                    "systemd listens on %s for us, but no target has that portal; drop it from tgtd.socket, or add it "
                    "to a target",
                    model.Portal(address, port),
                )

    # While it runs

    def _tick(self) -> None:
        if self.health.state != "running":
            return
        self.loop.call_later(TICK, self._tick)
        units = [unit for _, unit in self.tree.units()]
        for unit in _slice(units, self._round):
            unit.note_errors()
            unit.recover_reservations()
            if unit.state is State.PENDING:
                unit.retry()
            else:
                unit.probe()
        self._round += 1
        self._ticks += 1
        if self._ticks % _STATUS_TICKS == 0:
            self.notifier.status(self.reloader.summary())

    def _hangup(self) -> None:
        self._reload("SIGHUP")

    def _reload(self, by: str) -> None:
        if self.health.state != "stopping":
            self.reloader.request(by)

    def _daemon_changed(self, new: model.Daemon) -> None:
        """Adopt another tgtd.toml."""
        old, self.settings = self.settings, new
        shop, service = self.tree.shop, self.tree.service
        service.limits = translate.limits(new.limits)
        service.discovery = translate.access(new.discovery)
        shop.pool.limit = new.limits.buffer_memory
        shop.workers.max_threads = new.limits.max_threads
        if old.io_uring != new.io_uring:
            shop.workers.use_ring(new.io_uring)
        if (old.log_level, old.log_format) != (new.log_level, new.log_format):
            self._set_up_log(new)
        if (old.watch, old.reload_debounce) != (new.watch, new.reload_debounce):
            self._stop_watching()
            self._start_watching()

    def _set_up_log(self, wish: model.Daemon) -> None:
        log.set_up(self.options.log_level or wish.log_level, wish.log_format)

    def _start_watching(self) -> None:
        if not self.settings.watch:
            return
        watch = Watch(self._layers, self._noticed, self.settings.reload_debounce, self._secret_files)
        try:
            watch.start()
        except OSError as trouble:
            logger.warning("cannot watch the configuration (%s); use tgtctl reload after edits", trouble)
            return
        self._watch = watch

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _noticed(self) -> None:
        """In the watcher's thread."""
        self.loop.call_from_thread(lambda: self._reload(FILE_CHANGE))

    def _follow_secrets(self, files: list[Path]) -> None:
        if files != self._secret_files:
            self._secret_files = files
            if self._watch is not None:
                self._watch.follow(files)

    # Stopping

    def stop(self) -> None:
        """Drain, then end. Asked again: wait no longer for initiators. Asked once more: nor for media."""
        if self.health.state == "stopping":
            if self._deadline is not None:
                self._drained()
            else:
                self._finish()
            return
        serving = self.health.state == "running"
        self.health.state = "stopping"
        self.notifier.stopping("Draining: waiting for initiators to log out")
        logger.info("stopping: waiting at most %g s for initiators to log out", self.settings.stop_timeout)
        if not serving:
            self.loop.stop()
            return
        self._deadline = self.loop.call_later(self.settings.stop_timeout, self._drained)
        self.reloader.stop()
        self.tree.service.drain(self._drained)
        self._stop_watching()

    def _drained(self) -> None:
        """Everybody has logged out, or the time is up: flush and close the media."""
        if self._deadline is None:
            return
        self._deadline.cancel()
        self._deadline = None
        remaining = len(self.tree.service.sessions)
        if remaining:
            logger.warning("%d sessions did not log out in time; they are dropped", remaining)
        self.tree.service.close()
        self.notifier.stopping("Flushing media")
        self.loop.call_later(_FLUSH_SECONDS, self._finish)
        for target, unit in self.tree.units():
            self._unclosed[unit] = None
            target.scsi.remove_lun(unit.wish.number)
            unit.close(partial(self._unit_closed, unit))
        if not self._unclosed:
            self._finish()

    def _unit_closed(self, unit: Unit) -> None:
        del self._unclosed[unit]
        if not self._unclosed:
            self._finish()

    def _finish(self) -> None:
        for unit in self._unclosed:
            logger.error("%s could not be flushed and closed in time", unit.place)
        self.loop.stop()

    def _close(self) -> None:
        self.notifier.unwatch()
        self._stop_watching()
        if self._control is not None:
            self._control.close()
        self.tree.service.close()
        self.inherited.close()
        self.tree.shop.workers.close()
        self.loop.close()
        for held in self._claims:
            held.close()


def _slice(units: list[Unit], number: int) -> list[Unit]:
    """The units to look at this time: all of a few, of many some after the other."""
    if len(units) <= _PER_TICK:
        return units
    first = number * _PER_TICK % len(units)
    return (units + units)[first : first + _PER_TICK]
