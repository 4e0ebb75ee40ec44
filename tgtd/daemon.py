"""The composition root: makes every part of the daemon, ties them together, starts and stops them."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tgtd import __version__, log, translate
from tgtd.apply import Outcome
from tgtd.closing import Closing
from tgtd.config import model
from tgtd.config.load import Loader
from tgtd.config.watch import Watch
from tgtd.control import ControlServer
from tgtd.crew.crew import Crew
from tgtd.crew.speech import Hire
from tgtd.estate import Alone, Estate
from tgtd.fabrics import Fabrics, sweep
from tgtd.ledger import Ledger
from tgtd.loop import Loop
from tgtd.media import OPENERS
from tgtd.memories import Memories
from tgtd.net.iscsi.service import IscsiService
from tgtd.notify import InheritedSockets, Notifier
from tgtd.opening import Shop
from tgtd.premises import CannotStart, Claim, installation, layers, listen, raise_file_limit
from tgtd.reload import FILE_CHANGE, Reloader
from tgtd.requests import Requests
from tgtd.rounds import Rounds
from tgtd.scsi.buffers import BufferPool
from tgtd.status import Health, entrances
from tgtd.tree import Tree
from tgtd.workers import Workers

logger = logging.getLogger(__name__)

_MANY_CORES = 3
"""From how many on a main process that only directs is worth it."""
_STATUS_SECONDS = 10.0
"""How often systemd is told how things are."""


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
        shop = Shop(workers, BufferPool(limits.buffer_memory), OPENERS, Ledger(options.state), Memories(options.state))
        service = IscsiService(
            self.loop, translate.limits(limits), shop.pool, translate.access(config.daemon.discovery)
        )
        self.inherited = InheritedSockets.from_environment()
        crew = _crew(config.daemon)
        self._fabrics = Fabrics(workers, shop.pool, installation(options.state))
        self.tree = Tree(shop, service, self._fabrics.installation, self.inherited, None if crew else self._fabrics)
        self.estate = self._make_estate(crew)
        self.reloader = Reloader(self.estate, loader, shop.workers.lane(1), self.health, self.notifier)
        self._rounds = Rounds(self.loop, self.tree)
        self._closing = Closing(self.loop, self.tree, self._flushing, self._part_ended)
        self._config = config
        self._control: ControlServer | None = None
        self._watch: Watch | None = None
        self._secret_files: list[Path] = []
        self._parts = 0
        self._failure: str | None = None

    def _make_estate(self, count: int) -> Estate:
        if not count:
            return Alone(self.tree, self._daemon_changed)

        def hire(number: int) -> Hire:
            installation, state = self.tree.installation, self.options.state.resolve()
            return Hire(number, count, installation, state, self.settings, self.options.log_level)

        return Crew(self.loop, self.tree, count, hire, self._daemon_changed)

    def run(self) -> int:
        """Serve until told to stop."""
        for number, act in ((signal.SIGTERM, self.stop), (signal.SIGINT, self.stop), (signal.SIGHUP, self._hangup)):
            self.loop.on_signal(number, act)
        try:
            requests = Requests(self.estate, self.reloader, self.health, self)
            self._control = listen(self.loop, self.options.run, requests.table())
            self.loop.call_soon(lambda: self.reloader.start(self._config, self._started))
            self.loop.run()
        finally:
            self._close()
        if self._failure is not None:
            raise CannotStart(self._failure)
        return 1 if self._closing.unclosed or self.estate.lost else 0

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
        self._rounds.start()
        sweep(self._fabrics, [name for name, target in self._config.targets.items() if target.fabric is not None])
        self.loop.call_later(_STATUS_SECONDS, self._show_status)

    def _ready_line(self) -> str:
        census = self.estate.census()
        found = entrances(self.tree, census)
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        where = ", ".join(found[:4]) + more or "no portal"
        return f"tgtd {__version__} ready: {census.inventory()} on {where}"

    def _report_unused_sockets(self) -> None:
        for address, port in self.inherited.addresses():
            if (address, port) not in self.tree.service.portals:
                logger.warning(
                    "systemd listens on %s for us, but no target has that portal; drop it from tgtd.socket, or add it "
                    "to a target",
                    model.Portal(address, port),
                )

    # While it runs

    def _show_status(self) -> None:
        if self.health.state == "running":
            self.loop.call_later(_STATUS_SECONDS, self._show_status)
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
        if old.workers != new.workers:
            logger.warning("workers takes effect when tgtd is restarted")
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
            self._closing.hasten()
            self.estate.hasten()
            return
        serving = self.health.state == "running"
        self.health.state = "stopping"
        self.notifier.stopping("Draining: waiting for initiators to log out")
        logger.info("stopping: waiting at most %g s for initiators to log out", self.settings.stop_timeout)
        if not serving:
            self.loop.stop()
            return
        self._rounds.stop()
        self.reloader.stop()
        self._parts = 2
        self._closing.begin(self.settings.stop_timeout)
        self.estate.stop(self.settings.stop_timeout, self._part_ended)
        self._stop_watching()

    def _flushing(self) -> None:
        self.notifier.stopping("Flushing media")

    def _part_ended(self) -> None:
        """What runs in this process, or what runs in others, has come to its end."""
        self._parts -= 1
        if not self._parts:
            self.loop.stop()

    def _close(self) -> None:
        self.notifier.unwatch()
        self._stop_watching()
        if self._control is not None:
            self._control.close()
        self.estate.close()
        self.tree.service.close()
        self.inherited.close()
        self.tree.shop.workers.close()
        self.loop.close()
        for held in self._claims:
            held.close()


def _crew(wish: model.Daemon) -> int:
    """How many workers serve the targets; 0: this process does."""
    cores = len(os.sched_getaffinity(0))
    return wish.workers if wish.workers is not None else cores if cores >= _MANY_CORES else 0
