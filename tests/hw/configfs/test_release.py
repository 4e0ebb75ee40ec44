from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from tests.hw.configfs.kernel import Kernel
from tgtd.hw.configfs.backstore import Backstore, home
from tgtd.hw.configfs.difference import RemoveLink, Write, difference
from tgtd.hw.configfs.present import mark
from tgtd.hw.configfs.release import leftovers, release
from tgtd.hw.fabrics import FABRICS
from tgtd.hw.fabrics.fabric import Port

US, THEM = b"u" * 16, b"t" * 16
NAME = "iqn.2026-11.org.test:a"
NAA = "naa.5001405000000001"


class HeldRing:
    """A ring that is open while it is not closed."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.open = True

    def close(self) -> None:
        self.open = False


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    kernel = Kernel(tmp_path)
    set_up(kernel, US, NAME, NAA)
    return kernel


def set_up(kernel: Kernel, installation: bytes, name: str, port: str) -> None:
    stores = [Backstore(installation, name, lun, 1 << 20, 512, "S", 30) for lun in range(2)]
    items = [item for store in stores for item in store.items()]
    items += FABRICS["loopback"].items(Port(port, {store.lun: store.path for store in stores}))
    present = kernel.take(items)
    kernel.carry_out(difference(items, present, present.owned(mark(installation, name), home(installation, name))))


def test_what_is_there(kernel: Kernel) -> None:
    set_up(kernel, THEM, "iqn.2026-11.org.test:b", "naa.5001405000000002")
    found = leftovers(kernel.take())
    assert sorted((left.installation, left.target, len(left.stores), left.ports) for left in found) == [
        (THEM.hex(), "iqn.2026-11.org.test:b", 2, ("loopback/naa.5001405000000002/tpgt_1",)),
        (US.hex(), NAME, 2, (f"loopback/{NAA}/tpgt_1",)),
    ]


def test_it_goes_and_nothing_else_does(kernel: Kernel) -> None:
    set_up(kernel, THEM, "iqn.2026-11.org.test:b", "naa.5001405000000002")
    rings: list[HeldRing] = []

    def hold(store: Path) -> HeldRing:
        rings.append(HeldRing(store))
        return rings[-1]

    [ours] = [left for left in leftovers(kernel.take()) if left.target == NAME]
    assert list(release(kernel, ours, hold)) == []  # type: ignore[arg-type]
    assert [ring.store for ring in rings] == [kernel.root / store for store in ours.stores]
    assert not any(ring.open for ring in rings)
    assert [left.target for left in leftovers(kernel.take())] == ["iqn.2026-11.org.test:b"]
    assert not any(NAA in path for path in kernel.take().folders)


def test_one_that_is_served_is_left_alone(kernel: Kernel) -> None:
    def busy(store: Path) -> HeldRing:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    before = kernel.take()
    [left] = leftovers(before)
    with pytest.raises(OSError, match="busy"):
        list(release(kernel, left, busy))  # type: ignore[arg-type]
    assert kernel.take() == before


def test_what_comes_into_the_rings_meanwhile_fails(kernel: Kernel) -> None:
    """The last LUN leaves only when somebody has reset its ring."""
    [left] = leftovers(kernel.take())
    plain = kernel.do

    def waiting(step: object) -> None:
        if isinstance(step, RemoveLink):
            while not any(isinstance(one, Write) and one.text == "2" for one in list(kernel.steps)):
                time.sleep(0.01)
        plain(step)  # type: ignore[arg-type]

    kernel.do = waiting  # type: ignore[method-assign]
    assert list(release(kernel, left, HeldRing)) == []  # type: ignore[arg-type]
    resets = [step.path for step in kernel.steps if isinstance(step, Write) and step.path.endswith("reset_ring")]
    assert {path.rpartition("/action")[0] for path in resets} == set(left.stores)


def test_a_backstore_that_was_never_enabled_has_no_ring(kernel: Kernel) -> None:
    half = Backstore(US, "iqn.2026-11.org.test:half", 0, 1 << 20, 512, "S", 30)
    for step in list(difference(list(half.items()), kernel.take(), kernel.take().owned("x", "y")))[:3]:
        kernel.do(step)
    [left] = [left for left in leftovers(kernel.take()) if left.target.endswith("half")]

    def never(store: Path) -> HeldRing:
        raise AssertionError(store)

    assert list(release(kernel, left, never)) == []  # type: ignore[arg-type]
    assert half.path not in kernel.take().folders


def test_what_cannot_be_done_is_told(kernel: Kernel) -> None:
    [left] = leftovers(kernel.take())
    kernel.broken = f"{left.stores[1]}"
    told = list(release(kernel, left, HeldRing))  # type: ignore[arg-type]
    assert any("Input/output error" in text for text in told)
    assert left.stores[0] not in kernel.take().folders
