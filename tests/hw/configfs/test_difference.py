"""The difference is judged by what a tree is that carries it out, and by what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hw.configfs.kernel import Kernel
from tgtd.hw.configfs.backstore import Backstore, home
from tgtd.hw.configfs.difference import KernelStep, MakeLink, RemoveFolder, RemoveLink, Steps, Write, difference
from tgtd.hw.configfs.item import Item
from tgtd.hw.configfs.present import mark
from tgtd.hw.fabrics import FABRICS
from tgtd.hw.fabrics.fabric import Port

US = bytes(range(16))
NAME = "iqn.2026-11.com.example:a"
STORES = [Backstore(US, NAME, lun, 1 << 20, 512, f"S{lun}", 30) for lun in range(4)]
ONE, TWO = "20:00:00:00:00:00:00:01", "20:00:00:00:00:00:00:02"
PORT = "21:00:00:24:ff:31:4c:48"


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def wish(stores: Sequence[Backstore], *ports: tuple[str, Port]) -> list[Item]:
    items: list[Item] = []
    for store in stores:
        items += store.items()
    for word, port in ports:
        items += FABRICS[word].items(port)
    return items


def loopback(*stores: Backstore, name: str = "naa.5001405000000001") -> tuple[str, Port]:
    return "loopback", Port(name, {store.lun: store.path for store in stores})


def fcoe(stores: Sequence[Backstore], **initiators: dict[int, int]) -> tuple[str, Port]:
    named = {{"one": ONE, "two": TWO}[key]: seen for key, seen in initiators.items()}
    return "fcoe", Port(PORT, {store.lun: store.path for store in stores}, named)


def steps(kernel: Kernel, items: list[Item]) -> Steps:
    present = kernel.take(items)
    return difference(items, present, present.owned(mark(US, NAME), home(US, NAME)))


def apply(kernel: Kernel, items: list[Item]) -> list[KernelStep]:
    """Bring a wish about; afterwards nothing is left to do."""
    kernel.steps.clear()
    kernel.carry_out(steps(kernel, items))
    assert not steps(kernel, items)
    return list(kernel.steps)


def test_from_nothing_to_everything_and_back(kernel: Kernel) -> None:
    apply(kernel, wish(STORES, loopback(*STORES)))
    apply(kernel, [])
    assert kernel.take().folders == {"loopback"}


def test_a_wish_that_is_fulfilled_needs_nothing(kernel: Kernel) -> None:
    items = wish(STORES, loopback(*STORES[:2]), fcoe(STORES[2:], one={0: 2}))
    apply(kernel, items)
    assert apply(kernel, items) == []


def test_a_new_lun_touches_nothing_else(kernel: Kernel) -> None:
    apply(kernel, wish(STORES[:2], loopback(*STORES[:2])))
    done = apply(kernel, wish(STORES[:3], loopback(*STORES[:3])))
    assert all(STORES[2].path in step.path or "lun/lun_2" in step.path for step in done)
    assert isinstance(done[-1], MakeLink)


def test_a_lun_goes_before_its_backstore(kernel: Kernel) -> None:
    apply(kernel, wish(STORES[:2], loopback(*STORES[:2])))
    done = apply(kernel, wish(STORES[:1], loopback(*STORES[:1])))
    assert [type(step) for step in done] == [RemoveLink, RemoveFolder, RemoveFolder]
    assert done[-1].path == STORES[1].path


def test_what_initiators_see_is_remapped_without_touching_the_lun(kernel: Kernel) -> None:
    apply(kernel, wish(STORES[:2], fcoe(STORES[:2], one={0: 0, 1: 1})))
    done = apply(kernel, wish(STORES[:2], fcoe(STORES[:2], one={0: 1, 1: 0})))
    assert {type(step) for step in done} == {RemoveLink, MakeLink}
    assert all("/acls/" in step.path for step in done)


def test_an_initiator_comes_and_another_goes(kernel: Kernel) -> None:
    apply(kernel, wish(STORES[:1], fcoe(STORES[:1], one={0: 0})))
    done = apply(kernel, wish(STORES[:1], fcoe(STORES[:1], two={5: 0})))
    assert all(ONE in step.path or TWO in step.path for step in done)


def test_with_a_lun_goes_what_is_mapped_to_it(kernel: Kernel) -> None:
    apply(kernel, wish(STORES[:2], fcoe(STORES[:2], one={0: 0, 1: 1})))
    done = apply(kernel, wish(STORES[:1], fcoe(STORES[:1], one={0: 0, 1: 1})))
    assert all("lun_1" in step.path or step.path == STORES[1].path for step in done)


def test_what_the_kernel_takes_only_unlinked_is_written_unlinked(kernel: Kernel) -> None:
    apply(kernel, wish(STORES[:2], fcoe(STORES[:2], one={0: 0, 1: 1})))
    later = [replace(STORES[0], patience=300), STORES[1]]
    done = apply(kernel, wish(later, fcoe(later, one={0: 0, 1: 1})))
    assert Write(f"{STORES[0].path}/attrib/cmd_time_out", "300", "30") in done
    assert not any("lun_1" in step.path for step in done)


def test_a_backstore_that_was_left_half_made_is_made_anew(kernel: Kernel) -> None:
    items = wish(STORES[:1], loopback(*STORES[:1]))
    for step in list(steps(kernel, items))[:3]:  # the group, the folder, control; no enable
        kernel.do(step)
    done = apply(kernel, items)
    assert RemoveFolder(STORES[0].path) in done


@pytest.mark.parametrize("count", range(1, 18))
def test_a_crash_at_any_point_is_made_good(kernel: Kernel, count: int) -> None:
    items = wish(STORES[:1], fcoe(STORES[:1], one={0: 0}))
    for step in list(steps(kernel, items))[:count]:
        kernel.do(step)
    apply(kernel, items)


def test_another_block_size_takes_another_backstore(kernel: Kernel) -> None:
    apply(kernel, wish(STORES[:1], loopback(STORES[0])))
    other = replace(STORES[0], block=4096)
    done = apply(kernel, wish([other], loopback(other)))
    assert RemoveFolder(STORES[0].path) in done


def test_a_port_group_is_switched_off_before_it_goes(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, {"ibmvscsis": {"30000003"}})
    apply(kernel, wish(STORES[:1], ("ibmvscsis", Port("30000003", {0: STORES[0].path}))))
    done = apply(kernel, wish(STORES[:1]))
    assert done[0] == Write("ibmvscsis/30000003/tpgt_1/enable", "0", "1")
    assert done[-1] == RemoveFolder("ibmvscsis/30000003")


def test_rings_are_let_go_of_before_their_backstores_go(kernel: Kernel) -> None:
    apply(kernel, wish(STORES[:2], loopback(*STORES[:2])))
    assert not steps(kernel, wish(STORES[:2], loopback(*STORES[:2]))).doomed
    left = steps(kernel, wish(STORES[:1], loopback(*STORES[:1])))
    assert left.doomed == {STORES[1].path}
    assert all(isinstance(step, RemoveLink | RemoveFolder) for step in left.leave)


def test_backstores_are_complete_before_anything_joins(kernel: Kernel) -> None:
    found = steps(kernel, wish(STORES, loopback(*STORES)))
    assert found.stores[-1] == Write(f"{STORES[-1].path}/enable", "1")
    assert all(not step.path.startswith("core/") for step in found.join)
    assert not found.leave
