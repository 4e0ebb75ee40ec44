"""Targets on fabrics, with a kernel of the test's own: what it has, and what comes out of its rings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beside_kernel import NAA, BesideKernel
from tests.daemon import eventually
from tests.inside import IQN
from tgtd.config import model
from tgtd.config.fabric import KINDS
from tgtd.config.schema import TARGETS, Schema
from tgtd.fabrics import LOOKS, Fabrics, FabricSide, sweep
from tgtd.hw.configfs.backstore import home
from tgtd.hw.configfs.present import mark
from tgtd.hw.fabrics import FABRICS
from tgtd.sides import IscsiSide
from tgtd.status import Census, entrances

OTHER = "iqn.2026-11.org.test:b"
GROUP = f"loopback/{NAA}/tpgt_1"
HOME = home(b"i" * 16, IQN)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[BesideKernel]:
    it = BesideKernel(tmp_path)
    yield it
    it.kernel.broken = None
    left: list[None] = []
    it.fabrics.leave(lambda: left.append(None))
    it.turn_until(lambda: bool(left))
    it.close()


def lun_paths(*numbers: int) -> dict[str, str]:
    return {f"{GROUP}/lun/lun_{number}/tgtd": f"{HOME}/lun_{number}" for number in numbers}


def test_the_rooms_mean_the_same_fabrics() -> None:
    target = Schema(TARGETS).tree["properties"]["target"]["items"]
    assert set(target["properties"]["transport"]["enum"]) == {"iscsi", *FABRICS} == {"iscsi", *KINDS}


def test_luns_are_in_the_kernel_and_served(site: BesideKernel) -> None:
    site.target(site.lun(0), site.lun(3))
    site.start()
    assert site.linked() == lun_paths(0, 3)
    assert site.rings.keys() == {0, 3}
    assert site.rings[0].ask(site, bytes(6)) == 2, "power on"
    assert site.rings[0].ask(site, bytes(6)) == 0
    status = site.side.status()
    assert (status["state"], status["cause"], status["port"]) == ("online", None, NAA)
    assert status["commands"] == 2
    assert status["port_state"] == "SCSI host and target 2:0:1 of this machine"


def test_a_ring_is_served_before_its_lun_joins(site: BesideKernel) -> None:
    """The kernel scans a LUN before its link is made, and waits for us."""
    plain = site.kernel.do

    def scanning(step: object) -> None:
        if type(step).__name__ == "MakeLink":
            assert site.side.servers.keys() == {f"{HOME}/lun_0"}
        plain(step)  # type: ignore[arg-type]

    site.kernel.do = scanning  # type: ignore[method-assign]
    site.target(site.lun(0))
    site.start()
    assert site.linked() == lun_paths(0)


def test_add_grow_and_remove_by_edit(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    ring = site.rings[0]
    site.target(site.lun(0, "2 MiB"), site.lun(1))
    assert site.reload().result == "applied"
    site.settled()
    assert site.linked() == lun_paths(0, 1)
    assert site.rings[0] is ring
    assert not ring.closed
    assert ring.ask(site, bytes(6)) == 2
    site.target(site.lun(1))
    site.reload()
    site.settled()
    assert site.linked() == lun_paths(1)
    assert ring.closed
    assert f"{HOME}/lun_0" not in site.kernel.take().folders


def test_an_edit_that_changes_nothing_in_the_kernel_writes_nothing(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    site.kernel.steps.clear()
    site.target(site.lun(0, "2 MiB", "rotation_rate = 1"), more='alias = "x"')
    site.reload()
    site.settled()
    assert site.kernel.steps == []


def test_an_offline_target_keeps_its_backstores(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    site.target(site.lun(0), more="online = false")
    site.reload()
    site.settled()
    assert site.linked() == {}
    assert site.side.status()["state"] == "offline"
    site.target(site.lun(0))
    site.reload()
    site.settled()
    assert site.linked() == lun_paths(0)


def test_another_port(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    site.target(site.lun(0), port="naa.5001405000000002")
    site.reload()
    site.settled()
    assert list(site.linked()) == ["loopback/naa.5001405000000002/tpgt_1/lun/lun_0/tgtd"]
    assert not any(NAA in path for path in site.kernel.take().folders)


def test_from_the_network_to_a_fabric_and_back_with_the_same_unit(site: BesideKernel) -> None:
    site.write(site.lun(0))
    site.start()
    unit = site.unit(0)
    site.target(site.lun(0))
    assert site.reload().errors == ()
    site.settled()
    assert site.linked() == lun_paths(0)
    assert IQN not in site.service.targets
    site.write(site.lun(0))
    site.reload()
    site.turn_until(lambda: not site.linked())
    assert isinstance(site.tree.targets[IQN].side, IscsiSide)
    assert site.unit(0) is unit


def test_a_shared_lun_is_the_same_unit(site: BesideKernel) -> None:
    site.write(site.lun(1), name=OTHER, file="b.toml")
    shared = f'[[target.shared_lun]]\nnumber = 4\ntarget = "{OTHER}"\nlun = 1\n'
    site.target(shared, more="fabric = { tag = 2 }")
    site.start()
    assert site.linked() == lun_paths(4)
    assert site.rings[4].ask(site, bytes(6)) == 2
    assert len(site.tree.targets[OTHER].units[1].device.nexuses) == 1


@pytest.mark.parametrize("at", ["core/user_", "/lun_0/enable", "loopback", "lun/lun_0"])
def test_what_fails_leaves_the_target_pending_and_is_tried_again(site: BesideKernel, at: str) -> None:
    site.kernel.broken = at
    site.target(site.lun(0))
    outcome = site.start()
    assert outcome.errors == ()
    assert any("Input/output error" in warning for warning in outcome.warnings)
    assert site.side.status()["state"] == "pending"
    assert site.linked() == {}
    site.kernel.broken = None
    site.fabrics.look()
    site.settled()
    assert site.linked() == lun_paths(0)
    assert site.side.cause is None


def test_what_the_machine_lacks_is_told(site: BesideKernel) -> None:
    site.target(site.lun(0), transport="ibmvscsis", port="30000003")
    outcome = site.start()
    assert "no VIO bus" in outcome.warnings[0]
    assert site.config.name in outcome.warnings[0]
    assert site.kernel.steps == []
    census = Census.take(site.tree)
    assert census.summary() == "1 target (1 pending), 1 LUN, 0 sessions"
    assert entrances(site.tree, census) == []
    site.machine.make("sys/bus/vio/drivers/ibmvscsis/30000003")
    site.machine.make("sys/module/ibmvscsis")
    site.fabrics.look()
    site.settled()
    assert site.side.status()["port_state"] == "enabled, the client partition may log in"
    census = Census.take(site.tree)
    assert census.waiting == 0
    assert entrances(site.tree, census) == ["ibmvscsis 30000003"]


def test_a_ring_that_another_process_serves_keeps_the_target_pending(site: BesideKernel) -> None:
    site.held.add("lun_0")
    site.target(site.lun(0))
    assert any("another program serves it" in warning for warning in site.start().warnings)
    site.held.clear()
    site.fabrics.look()
    site.settled()
    assert site.linked() == lun_paths(0)


def test_a_port_of_somebody_else_is_not_touched(site: BesideKernel) -> None:
    theirs = site.another()
    theirs.installation = b"t" * 16
    site.tree.fabrics = theirs
    site.target(site.lun(0))
    site.start()
    before = site.linked()
    site.tree.fabrics = site.fabrics
    site.target(site.lun(1), name=OTHER)
    (site.config / "targets.d/a.toml").unlink()
    side = site.tree.targets[IQN].side
    side.hide = lambda: None  # type: ignore[method-assign]
    warnings = site.reload().warnings
    assert any(f"{NAA} is in use: LUN 0 of target" in warning for warning in warnings), warnings
    assert site.linked() == before
    left: list[None] = []
    theirs.leave(lambda: left.append(None))
    FabricSide.hide(side)  # type: ignore[arg-type]
    site.turn_until(lambda: bool(left))
    other = site.tree.targets[OTHER].side

    def set_up() -> bool:
        site.fabrics.look()
        return other.cause is None

    site.turn_until(set_up)
    assert site.linked() == {f"{GROUP}/lun/lun_1/tgtd": f"{home(b'i' * 16, OTHER)}/lun_1"}


def rivals(site: BesideKernel) -> list[tuple[Fabrics, model.Target]]:
    """Two daemons, each with a target at the same port."""
    theirs, found = site.another(), []
    theirs.installation = b"t" * 16
    for fabrics, name in ((site.fabrics, IQN), (theirs, OTHER)):
        site.target(site.lun(0), name=name)
        found.append((fabrics, site.loader.load().targets[name]))
        (site.config / f"targets.d/{name[-1]}.toml").unlink()
    return found


def enter(site: BesideKernel, fabrics: Fabrics, wish: model.Target) -> FabricSide:
    site.tree.fabrics = fabrics
    target = site.tree.make_target(wish)
    target.scsi.add_lun(0, site.tree.make_unit(wish.name, wish.luns[0]).device)
    target.side.show()
    assert isinstance(target.side, FabricSide)
    return target.side


def come_and_go(site: BesideKernel) -> None:
    pair = rivals(site)
    sides = [enter(site, *one) for one in pair]
    site.turn_until(lambda: not any(side.settling for side in sides))
    assert sorted(side.cause is None for side in sides) == [False, True]
    left: list[None] = []
    for fabrics, _ in pair:
        fabrics.leave(lambda: left.append(None))
    site.turn_until(lambda: len(left) == 2)
    assert site.linked() == {}


def test_two_at_one_port_do_not_trip_each_other(site: BesideKernel, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is there first has it, and the other says so; no step of either fails and is taken back."""
    for _ in range(10):
        come_and_go(site)
    pending = [record.getMessage() for record in caplog.records if "is pending" in record.getMessage()]
    assert len(pending) == 10
    assert all(f"{NAA} is in use" in line for line in pending), pending


def glance(site: BesideKernel) -> None:
    """As many looks as it takes to see what others have done."""
    for _ in range(LOOKS):
        site.fabrics.look()
        site.turn_until(site.fabrics.lane.idle)
        site.settled()


def test_what_others_change_is_put_right(site: BesideKernel, caplog: pytest.LogCaptureFixture) -> None:
    site.target(site.lun(0), site.lun(3))
    site.start()
    shutil.rmtree(site.kernel.root / GROUP / "lun/lun_3")
    glance(site)
    assert site.linked() == lun_paths(0, 3)
    assert f"somebody else has changed {GROUP}/lun/lun_3 and 1 more in the kernel" in caplog.text
    assert (site.side.status()["state"], site.rings.keys()) == ("online", {0, 3})
    caplog.clear()
    glance(site)
    assert caplog.text == ""


def test_what_others_change_again_and_again(site: BesideKernel, caplog: pytest.LogCaptureFixture) -> None:
    site.target(site.lun(0))
    site.start()
    for times in (1, 2, 3):
        (site.kernel.root / GROUP / "lun/lun_0/tgtd").unlink()
        glance(site)
        assert caplog.text.count("somebody else") == times
        assert site.linked() == lun_paths(0)


def test_what_others_put_into_the_port_keeps_the_target_pending(
    site: BesideKernel, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it is touched, and our LUNs are served on; it is told once."""
    site.target(site.lun(0))
    site.start()
    root = site.kernel.root
    (root / "core/iblock_0/theirs").mkdir(parents=True)
    (root / GROUP / "lun/lun_7").mkdir()
    link = root / GROUP / "lun/lun_7/theirs"
    link.symlink_to(root / "core/iblock_0/theirs")
    glance(site)
    glance(site)
    assert site.side.status()["state"] == "pending"
    assert f"{NAA} is in use: the kernel has core/iblock_0/theirs of another program there" in str(site.side.cause)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert site.linked() == {**lun_paths(0), f"{GROUP}/lun/lun_7/theirs": "core/iblock_0/theirs"}
    assert site.rings[0].ask(site, bytes(6)) == 2
    link.unlink()
    link.parent.rmdir()
    glance(site)
    assert site.side.status()["state"] == "online"


def test_what_the_kernel_does_not_take_over_is_left_alone(site: BesideKernel, caplog: pytest.LogCaptureFixture) -> None:
    plain = site.kernel._read
    site.kernel._read = lambda path: "its own" if "time_out" in path else plain(path)  # type: ignore[method-assign]
    site.target(site.lun(0))
    site.start()
    glance(site)
    assert ("somebody else" in caplog.text, site.side.status()["state"]) == (False, "online")


def test_a_ring_that_is_lost_is_taken_over_anew(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    lost = site.rings[0]
    lost.gone = True
    os.eventfd_write(lost.fd, 1)
    site.turn_until(lambda: site.side.cause is not None)
    assert "LUN 0: the device is gone" in str(site.side.cause)
    site.fabrics.look()
    site.settled()
    assert site.rings[0] is not lost
    assert site.side.cause is None


def test_a_ring_that_is_lost_while_the_kernel_waits_for_it(site: BesideKernel) -> None:
    """A scan that nobody answers holds the worker up that would take the ring over."""
    plain = site.kernel.do

    def scanning(step: object) -> None:
        if type(step).__name__ == "MakeLink":
            lost = site.rings[0]
            lost.gone = True
            os.eventfd_write(lost.fd, 1)
            assert eventually(lambda: site.rings[0] is not lost and bool(site.side.servers), 5)
        plain(step)  # type: ignore[arg-type]

    site.kernel.do = scanning  # type: ignore[method-assign]
    site.target(site.lun(0))
    site.start()
    site.settled()
    assert site.linked() == lun_paths(0)
    assert site.side.cause is None
    assert site.rings[0].ask(site, bytes(6)) == 2, "power on"


def test_a_crash_leaves_everything_to_the_next_process(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    before = site.kernel.take()
    site.fabrics.close()
    assert site.rings[0].closed
    site.kernel.steps.clear()
    site.fabrics = site.tree.fabrics = site.another()
    wish = site.tree.targets[IQN]
    wish.side = site.tree.make_side(wish.wish, wish.scsi)
    wish.side.show()
    site.settled()
    assert site.kernel.steps == []
    assert site.kernel.take() == before
    assert site.rings[0].ask(site, bytes(6)) in (0, 2)


def test_what_was_on_its_way_when_all_is_let_go_of_ends_without_a_word(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    before = site.kernel.take()
    site.target(site.lun(0), site.lun(1))
    site.reloader.request("test")
    site.turn_until(lambda: len(site.tree.targets[IQN].units) == 2)
    assert site.side.settling
    site.fabrics.close()
    site.turn_until(site.fabrics.lane.idle)
    for _ in range(5):
        site.loop.turn(0.01)
    assert all(ring.closed for ring in site.rings.values())
    assert site.linked() == before.links
    site.fabrics = site.tree.fabrics = site.another()
    live = site.tree.targets[IQN]
    live.side = site.tree.make_side(live.wish, live.scsi)
    live.side.show()
    site.settled()
    assert site.linked() == lun_paths(0, 1)


def test_all_leave_when_the_daemon_ends(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    left: list[None] = []
    site.fabrics.leave(lambda: left.append(None))
    site.turn_until(lambda: bool(left))
    assert site.kernel.take().folders == {"loopback"}
    assert site.rings[0].closed


def test_what_an_earlier_life_left_and_nobody_wants_is_swept(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    site.fabrics.close()
    site.fabrics = site.tree.fabrics = site.another()
    sweep(site.fabrics, [IQN])
    site.turn_until(site.fabrics.lane.idle)
    assert site.linked() == lun_paths(0)
    sweep(site.fabrics, [])
    site.turn_until(site.fabrics.lane.idle)
    assert site.kernel.take().folders == {"loopback"}


def test_another_time_out_takes_the_luns_away_for_a_moment(site: BesideKernel) -> None:
    site.target(site.lun(0))
    site.start()
    site.target(site.lun(0), more="fabric = { cmd_time_out = 99 }")
    site.reload()
    site.settled()
    assert (site.kernel.root / HOME / "lun_0/attrib/cmd_time_out").read_text() == "99\n"
    assert site.linked() == lun_paths(0)
    assert not site.rings[0].closed


def test_marks_of_targets_differ() -> None:
    assert mark(b"i" * 16, IQN) != mark(b"i" * 16, OTHER)
