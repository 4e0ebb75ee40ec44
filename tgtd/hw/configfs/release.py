"""Takes out of the kernel what a tgtd left there that no longer runs, so that nobody waits for it.

Commands that nobody will answer would hold every step up until the kernel gives up on them (cmd_time_out, which may be
never), and taking a disk away makes new ones. So the rings are held meanwhile, and whatever comes into them fails.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tgtd.hw.configfs.difference import Write, difference
from tgtd.hw.configfs.item import Value
from tgtd.hw.configfs.present import MARK, Present, described
from tgtd.hw.configfs.tree import KernelTree
from tgtd.hw.tcmu.uio import Uio

log = logging.getLogger(__name__)

_BREATH = 0.1
"""Seconds between looks at what came into the rings."""
_AS_FAILED = "2"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A target in the kernel. installation: hexadecimal. stores: its backstores. ports: port groups with LUNs of it."""

    installation: str
    target: str
    stores: tuple[str, ...]
    ports: tuple[str, ...]

    @property
    def begin(self) -> str:
        """Its mark, see present.mark."""
        return f"{MARK}{self.installation}/{self.target}/"


def leftovers(present: Present) -> tuple[Leftover, ...]:
    """All targets that any tgtd, running or not, has in the kernel."""
    found: dict[tuple[str, str], list[str]] = {}
    for store, text in sorted(present.configurations.items()):
        who = described(text)
        if who is not None:
            found.setdefault(who[:2], []).append(store)
    return tuple(
        Leftover(
            *who,
            tuple(stores),
            tuple(sorted({path.rpartition("/lun/")[0] for path, to in present.links.items() if to in stores})),
        )
        for who, stores in found.items()
    )


def release(tree: KernelTree, left: Leftover, open_ring: Callable[[Path], Uio] = Uio.open) -> Iterator[str]:
    """Take a target away; what could not be done, in words. Blocks. Raises OSError when it is served by a process that
    runs, and then nothing is done."""
    with tree.alone():
        yield from _release(tree, left, open_ring)


def _release(tree: KernelTree, left: Leftover, open_ring: Callable[[Path], Uio]) -> Iterator[str]:
    present = tree.take([Value(f"{store}/enable", "1") for store in left.stores])
    owned = present.owned(left.begin, left.stores[0].rpartition("/")[0])
    steps = difference((), present, owned)
    with contextlib.ExitStack() as rings:
        for store in left.stores:
            if present.values.get(f"{store}/enable") == "1":
                rings.callback(open_ring(tree.root / store).close)
        rings.enter_context(_failing(tree, left.stores))
        yield from tree.remove(steps.leave)
    yield from tree.remove(steps.stores)


@contextlib.contextmanager
def _failing(tree: KernelTree, stores: Iterable[str]) -> Iterator[None]:
    """Whatever comes into the rings fails, until this ends."""
    ended = threading.Event()

    def fail() -> None:
        while not ended.wait(_BREATH):
            for store in stores:
                with contextlib.suppress(OSError):  # it is gone already, or was never enabled
                    tree.do(Write(f"{store}/action/reset_ring", _AS_FAILED))

    thread = threading.Thread(target=fail, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
