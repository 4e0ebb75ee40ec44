"""A running tree inside of the test's own process, with a configuration directory to edit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.daemon import free_port
from tgtd import translate
from tgtd.apply import Outcome
from tgtd.config import model
from tgtd.config.layers import Layers
from tgtd.config.load import Loader
from tgtd.estate import Alone
from tgtd.ledger import Ledger
from tgtd.loop import Loop
from tgtd.media import OPENERS, Opener
from tgtd.memories import Memories
from tgtd.net.iscsi.service import IscsiService
from tgtd.net.iscsi.settings import Limits
from tgtd.notify import InheritedSockets, Notifier
from tgtd.opening import Shop
from tgtd.reload import Reloader
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.nexus import LunNexus, Nexus
from tgtd.scsi.target import encode_lun
from tgtd.status import Health, Reload
from tgtd.tree import Tree
from tgtd.units import Unit, UnitState
from tgtd.workers import Workers

IQN = "iqn.2026-11.org.test:a"


class Inside:
    """place/etc holds the configuration, place/media the files. The test turns the loop."""

    def __init__(self, place: Path, openers: Mapping[str, Opener] = OPENERS) -> None:
        self.place = place
        self.media = place / "media"
        self.config = place / "etc"
        (self.config / "targets.d").mkdir(parents=True)
        self.media.mkdir()
        self.port = free_port()
        self.loop = Loop()
        self.openers = dict(openers)
        (place / "state").mkdir()
        self.ledger = Ledger(place / "state", boot="this")
        self.memories = Memories(place / "state")
        shop = Shop(Workers(self.loop, 8), BufferPool(64 << 20), self.openers, self.ledger, self.memories)
        self.loader = Loader(Layers.single(self.config))
        discovery = translate.access(self.loader.load().daemon.discovery)
        self.service = IscsiService(self.loop, Limits(), shop.pool, discovery)
        self.tree = Tree(shop, self.service, b"i" * 16, InheritedSockets([]))
        self.health = Health(state="running")
        self.daemon_changes: list[model.Daemon] = []
        self.estate = Alone(self.tree, self.daemon_changes.append)
        self.reloader = Reloader(self.estate, self.loader, shop.workers.lane(1), self.health, Notifier())

    def write(
        self, *luns: str, name: str = IQN, file: str = "a.toml", head: str = "", access: str = "anyone = true"
    ) -> None:
        """A target's file, on the one portal."""
        text = f'[[target]]\nname = "{name}"\n'
        if "portals" not in head:
            text += f'portals = ["127.0.0.1:{self.port}"]\n'
        text += f"{head}\n[target.access]\n{access}\n" + "\n".join(luns)
        (self.config / "targets.d" / file).write_text(text)

    def lun(self, number: int, size: str | None = "1 MiB", more: str = "", file: str = "", medium: str = "") -> str:
        """A LUN on a file of its own. size None: not declared, and the file is not made."""
        path = self.media / (file or f"{number}.img")
        sized = "" if size is None else f', size = "{size}", create = true'
        return (
            f'[[target.lun]]\nnumber = {number}\ndevice = "disk"\n'
            f'medium = {{ type = "file", path = "{path}"{sized}{medium} }}\n{more}\n'
        )

    def start(self) -> Outcome:
        """Apply the first configuration."""
        outcomes: list[Outcome] = []
        self.reloader.start(self.loader.load(), outcomes.append)
        self.turn_until(lambda: bool(outcomes))
        return outcomes[0]

    def reload(self) -> Reload:
        """Reload, and wait for what comes of it."""
        answers: list[Reload] = []
        self.reloader.request("test", answers.append)
        self.turn_until(lambda: bool(answers))
        return answers[0]

    def retry(self) -> None:
        """What the daemon does from time to time."""
        for _, unit in self.tree.units():
            unit.retry()

    def unit(self, number: int, name: str = IQN) -> Unit:
        return self.tree.targets[name].units[number]

    def state(self, number: int) -> tuple[UnitState, int | None, str | None]:
        """Of a unit, with its size and the cause when it is not online."""
        unit = self.unit(number)
        return unit.state, unit.size, unit.cause

    def nexus(self, initiator: str = "iqn.2026-11.org.test:i", name: str = IQN) -> Nexus:
        """An initiator that is connected, without a transport between."""
        target = self.tree.targets[name].scsi
        nexus = Nexus(target, initiator, f"{initiator},i,0x000000000001", b"")
        target.connect(nexus)
        return nexus

    def turn_until(self, condition: Callable[[], bool], limit: float = 10.0) -> None:
        end = time.monotonic() + limit
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            self.loop.turn(0.02)

    def close(self) -> None:
        left = [unit for _, unit in self.tree.units()]
        closed: list[None] = []
        for unit in left:
            unit.device.clear_tasks(None)
            unit.close(lambda: closed.append(None))
        self.turn_until(lambda: len(closed) == len(left))
        self.service.close()
        self.loop.close()


@contextmanager
def inside(place: Path) -> Iterator[Inside]:
    it = Inside(place)
    yield it
    it.close()


def attached(nexus: Nexus, number: int) -> LunNexus:
    """The nexus's view of a LUN, its first unit attention taken."""
    itl = nexus.lun(encode_lun(number))
    while itl.attentions:
        itl.take_attention()
    return itl
