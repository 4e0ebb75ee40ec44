"""Plans carried out on a real tree: what initiators see of it, and that failure changes nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import free_port
from tests.inside import IQN, Inside, attached, inside
from tgtd import apply
from tgtd.config.model import Config
from tgtd.config.plan import diff
from tgtd.config.steps import MEDIUM_CHANGED, MODE_CHANGED, AddPortal, ChangeTarget, RemoveTarget
from tgtd.media.file import FileMedium
from tgtd.media.options import OpenOptions
from tgtd.scsi.access import STATE_NAMES
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sense import (
    ASYMMETRIC_ACCESS_STATE_CHANGED,
    CAPACITY_DATA_CHANGED,
    INQUIRY_DATA_CHANGED,
    MEDIUM_MAY_HAVE_CHANGED,
    MODE_PARAMETERS_CHANGED,
    REPORTED_LUNS_CHANGED,
    Sense,
)
from tgtd.scsi.target import encode_lun
from tgtd.status import target_rows
from tgtd.units import UnitState

MIB = 1 << 20


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        yield it


def state(site: Inside, number: int) -> tuple[UnitState, int | None, str | None]:
    unit = site.unit(number)
    return unit.state, unit.size, unit.cause


def test_the_first_configuration(site: Inside) -> None:
    site.write(site.lun(1), site.lun(2, "2 MiB"))
    assert site.start().errors == ()
    assert state(site, 1) == (UnitState.ONLINE, MIB, None)
    assert state(site, 2) == (UnitState.ONLINE, 2 * MIB, None)
    assert list(site.service.portals) == [("127.0.0.1", site.port)]
    assert site.health.generation == 1


def test_luns_come_and_go_and_initiators_hear_of_it(site: Inside) -> None:
    site.write(site.lun(1), site.lun(2))
    site.start()
    kept = site.unit(1)
    nexus = site.nexus()
    itl, gone = attached(nexus, 1), attached(nexus, 2)
    medium = gone.lu.medium  # type: ignore[attr-defined]
    site.write(site.lun(1), site.lun(3))
    assert site.reload().result == "applied"
    assert itl.attentions == [REPORTED_LUNS_CHANGED]
    assert site.unit(1) is kept
    assert sorted(nexus.target.luns) == [1, 3]
    assert state(site, 3)[0] is UnitState.ONLINE
    assert nexus.lun(encode_lun(2)).lu is not gone.lu
    site.turn_until(lambda: medium._fd == -1)


def test_targets_come_and_go(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    site.write(site.lun(2), name="iqn.2026-11.org.test:b", file="b.toml")
    assert site.reload().result == "applied"
    assert sorted(site.service.targets) == [IQN, "iqn.2026-11.org.test:b"]
    (site.config / "targets.d" / "a.toml").unlink()
    site.reload()
    assert sorted(site.service.targets) == sorted(site.tree.targets) == ["iqn.2026-11.org.test:b"]


def test_a_declared_size_grows(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    itl = attached(site.nexus(), 1)
    site.write(site.lun(1, "3 MiB"))
    site.reload()
    assert site.unit(1).size == 3 * MIB
    assert itl.attentions == [CAPACITY_DATA_CHANGED]
    assert (site.media / "1.img").stat().st_size == 3 * MIB


@pytest.mark.parametrize("declared", [True, False])
def test_shrinking_is_refused_unless_allowed(site: Inside, declared: bool) -> None:
    """Also where the size becomes declared only now, so that the running size decides."""
    (site.media / "1.img").write_bytes(bytes(3 * MIB))
    site.write(site.lun(1, "3 MiB" if declared else None))
    site.start()
    itl = attached(site.nexus(), 1)
    site.write(site.lun(1, "2 MiB"))
    refused = site.reload()
    assert refused.result == "refused"
    assert "a.toml" in refused.errors[0]
    assert "allow_shrink" in refused.errors[0]
    assert (site.unit(1).size, itl.attentions, site.health.generation) == (3 * MIB, [], 1)
    site.write(site.lun(1, "2 MiB", "allow_shrink = true"))
    assert site.reload().result == "applied"
    site.turn_until(lambda: itl.attentions == [CAPACITY_DATA_CHANGED])
    assert site.unit(1).size == 2 * MIB
    assert (site.media / "1.img").stat().st_size == 3 * MIB


@pytest.mark.parametrize(
    ("change", "attention"),
    [
        ('serial = "S1"', INQUIRY_DATA_CHANGED),
        ("write_cache = false", MODE_PARAMETERS_CHANGED),
        ("read_only = true", MODE_PARAMETERS_CHANGED),
    ],
)
def test_settings_change_in_place(site: Inside, change: str, attention: object) -> None:
    site.write(site.lun(1))
    site.start()
    itl = attached(site.nexus(), 1)
    medium = site.unit(1).device.medium
    site.write(site.lun(1, more=change))
    assert site.reload().result == "applied"
    assert attention in itl.attentions
    assert site.unit(1).device.medium is medium


def test_becoming_writable_opens_the_file_anew(site: Inside) -> None:
    (site.media / "1.img").write_bytes(bytes(MIB))
    site.write(site.lun(1, more="read_only = true"))
    site.start()
    old = site.unit(1).device.medium
    assert old is not None
    assert not old.writable
    site.write(site.lun(1))
    site.reload()
    assert site.unit(1).state is UnitState.ONLINE
    medium = site.unit(1).device.medium
    assert medium is not None
    assert medium.writable
    assert site.unit(1).device.write_protected is None


def test_another_file(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    itl = attached(site.nexus(), 1)
    site.write(site.lun(1, "5 MiB", file="other.img"))
    site.reload()
    assert state(site, 1) == (UnitState.ONLINE, 5 * MIB, None)
    assert MEDIUM_MAY_HAVE_CHANGED in itl.attentions


def test_two_luns_exchange_their_files(site: Inside) -> None:
    site.write(site.lun(1, "1 MiB", file="x"), site.lun(2, "2 MiB", file="y"))
    site.start()
    site.write(site.lun(1, "2 MiB", file="y"), site.lun(2, "1 MiB", file="x"))
    assert site.reload().result == "applied"
    assert all(site.unit(n).state is UnitState.ONLINE for n in (1, 2))
    assert (site.unit(1).size, site.unit(2).size) == (2 * MIB, MIB)


def test_a_file_moves_from_one_lun_to_another(site: Inside) -> None:
    site.write(site.lun(1, file="x"))
    site.start()
    site.write(site.lun(2, file="x"))
    assert site.reload().result == "applied"
    assert site.unit(2).state is UnitState.ONLINE


def test_offline_and_back(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    site.write(site.lun(1, more="online = false"))
    site.reload()
    assert state(site, 1) == (UnitState.OFFLINE, None, None)
    site.turn_until(site.unit(1).lane.idle)
    site.write(site.lun(1))
    site.reload()
    site.turn_until(lambda: site.unit(1).state is UnitState.ONLINE)


def test_a_missing_file_does_not_stop_the_rest(site: Inside) -> None:
    site.write(site.lun(1), site.lun(2, None))
    assert site.start().errors == ()
    assert state(site, 1)[0] is UnitState.ONLINE
    where, _, cause = state(site, 2)
    assert where is UnitState.PENDING
    assert "does not exist" in (cause or "")
    site.write(site.lun(1), site.lun(2, None), site.lun(3, None))
    assert any(
        "a.toml:" in warning and "LUN 3: " in warning and "does not exist" in warning
        for warning in site.reload().warnings
    )
    (site.media / "2.img").write_bytes(bytes(MIB))
    site.retry()
    site.turn_until(lambda: state(site, 2) == (UnitState.ONLINE, MIB, None))


def test_a_portal_that_cannot_be_had_refuses_all_and_is_undone(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    good = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        portals = ", ".join(f'"127.0.0.1:{p}"' for p in sorted((good, port)))
        site.write(site.lun(1), site.lun(2), head=f"portals = [{portals}]")
        refused = site.reload()
    assert refused.result == "refused"
    assert f"127.0.0.1:{port}" in refused.errors[0]
    assert "another program" in refused.errors[0]
    assert f'a.toml:1:1: target "{IQN}": portals: cannot listen on' in refused.errors[0]
    assert list(site.service.portals) == [("127.0.0.1", site.port)]
    assert sorted(site.tree.targets[IQN].units) == [1]
    assert not (site.media / "2.img").exists()
    assert site.reload().result == "applied"
    assert sorted(port for _, port in site.service.portals) == sorted((good, port))


def test_a_clashing_listener_comes_back_when_its_successor_fails(site: Inside) -> None:
    site.write(site.lun(1), head=f'portals = ["0.0.0.0:{site.port}"]')
    site.start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = taken.getsockname()[1]
        site.write(site.lun(1), head=f'portals = ["127.0.0.1:{site.port}", "127.0.0.1:{other}"]')
        assert site.reload().result == "refused"
    assert list(site.service.portals) == [("0.0.0.0", site.port)]
    socket.create_connection(("127.0.0.1", site.port), timeout=5).close()
    site.reload()
    assert sorted(site.service.portals) == sorted([("127.0.0.1", site.port), ("127.0.0.1", other)])


def test_access_and_views_change_live(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    live = site.tree.targets[IQN]
    site.write(site.lun(1), access='initiators = ["iqn.only:*"]', head='alias = "new"')
    assert site.reload().result == "applied"
    assert site.service.targets[live.wish.name].alias == "new"
    assert site.service.targets[live.wish.name].access.refusal("iqn.other:1", "127.0.0.1") is not None
    assert site.service.targets[live.wish.name].access.refusal("iqn.only:1", "127.0.0.1") is None


def test_an_untouched_target_is_left_alone(site: Inside) -> None:
    site.write(site.lun(1))
    site.write(site.lun(2), name="iqn.2026-11.org.test:b", file="b.toml")
    site.start()
    other = site.tree.targets["iqn.2026-11.org.test:b"]
    itl = attached(site.nexus(name="iqn.2026-11.org.test:b"), 2)
    iscsi, unit, portal = (
        site.service.targets[other.wish.name],
        other.units[2],
        site.service.portals["127.0.0.1", site.port],
    )
    site.write(site.lun(1, "9 MiB"), site.lun(7), access='initiators = ["iqn.only:*"]')
    assert site.reload().result == "applied"
    assert (site.service.targets[other.wish.name], other.units[2], itl.attentions) == (iscsi, unit, [])
    assert site.service.portals["127.0.0.1", site.port] is portal


def test_tgtd_toml_is_handed_on(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    (site.config / "tgtd.toml").write_text("stop_timeout = 7\n")
    assert site.reload().result == "applied"
    assert [change.stop_timeout for change in site.daemon_changes] == [7]


def test_a_medium_that_hangs_does_not_hold_up_the_reload(site: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "PATIENCE", 0.1)
    gate = threading.Event()

    def slow(path: str | None, options: OpenOptions) -> BlockMedium:
        if path is not None and path.endswith("2.img"):
            gate.wait(20)
        return FileMedium.open(path, options)

    site.openers["file"] = slow
    site.write(site.lun(1))
    site.start()
    site.write(site.lun(1), site.lun(2), site.lun(3))
    try:
        assert site.reload().result == "applied"
        assert state(site, 3)[0] is UnitState.ONLINE
        assert state(site, 2)[0] is UnitState.PENDING
    finally:
        gate.set()
    site.turn_until(lambda: state(site, 2) == (UnitState.ONLINE, MIB, None))


def test_a_fault_of_ours_takes_everything_back(site: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step fails unexpectedly: what was done before it is undone, listeners included."""
    site.write(site.lun(1), site.lun(2), site.lun(3))
    site.start()
    extra = free_port()

    def fail(self: object, step: object) -> None:
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(apply.Transaction, "_add_target", fail)
        portals = f'portals = ["127.0.0.1:{site.port}", "127.0.0.1:{extra}"]'
        site.write(
            site.lun(1, "4 MiB"), site.lun(3, more="read_only = true"), site.lun(4), head=f'alias = "x"\n{portals}'
        )
        site.write(name="iqn.2026-11.org.test:b", file="b.toml")
        refused = site.reload()
    assert refused.result == "refused"
    assert "internal error" in refused.errors[0]
    live = site.tree.targets[IQN]
    assert sorted(live.units) == sorted(live.scsi.luns) == [1, 2, 3]
    assert site.service.targets[live.wish.name].alias == ""
    assert live.units[3].device.write_protected is None
    assert list(site.service.portals) == [("127.0.0.1", site.port)]
    site.retry()
    site.turn_until(lambda: all(site.unit(n).state is UnitState.ONLINE for n in (1, 2, 3)))
    site.turn_until(lambda: site.unit(1).size == MIB)
    assert site.reload().result == "applied"
    assert sorted(site.tree.targets[IQN].units) == [1, 3, 4]


def test_every_step_has_an_inverse_that_leads_back(site: Inside) -> None:
    site.write(site.lun(1), site.lun(2), site.lun(5))
    one = site.loader.load()
    site.write(site.lun(1, "4 MiB", "thin = false"), site.lun(3), site.lun(5, file="z"), head='alias = "x"')
    (site.config / "tgtd.toml").write_text("stop_timeout = 7\n")
    site.write(name="iqn.2026-11.org.test:b", file="b.toml")
    two = site.loader.load()
    steps = diff(one, two).steps
    assert len({type(step) for step in steps}) >= 7
    for step in steps:
        back = apply.inverse(step)
        for name in ("target", "lun"):
            assert getattr(back, name, None) == getattr(step, name, None)
        assert apply.inverse(back) == step or type(back).__name__ == "GrowLun"
    with pytest.raises(TypeError):
        apply.inverse(AddPortal(one.targets[IQN].portals[0]))
    assert isinstance(apply.inverse(steps[-1]), RemoveTarget)


def groups(*states: str, first: int = 1) -> str:
    """Port groups 1, 2, ... in these states, each on a portal of its own."""
    return "".join(
        f'[[target.port_group]]\ntag = {tag}\nportals = ["127.0.0.{tag}:{PORTS}"]\nstate = "{state}"\n'
        for tag, state in enumerate(states, first)
    )


PORTS = free_port()


def test_access_states_are_edited_live(site: Inside) -> None:
    site.write(site.lun(1), head=groups("active/optimized", "standby"))
    assert site.start().errors == ()
    nexus = site.nexus()
    itl = attached(nexus, 1)
    site.write(site.lun(1), head=groups("standby", "active/optimized"))
    assert site.reload().errors == ()
    assert itl.attentions == [ASYMMETRIC_ACCESS_STATE_CHANGED]
    assert itl.access is STATE_NAMES["standby"]
    row = next(target_rows(site.tree, site.health))
    assert [(group["tag"], group["state"]) for group in json.loads(row + '], "sessions": []}')["port_groups"]] == [
        (1, "standby"),
        (2, "active/optimized"),
    ]


def test_groups_come_and_go(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    itl = attached(site.nexus(), 1)
    site.write(site.lun(1), head=groups("active/optimized", "active/non-optimized"))
    assert site.reload().errors == ()
    assert itl.attentions == [INQUIRY_DATA_CHANGED, ASYMMETRIC_ACCESS_STATE_CHANGED]
    assert site.service.targets[IQN].tags == (1, 2)
    plan = diff(site.loader.load(), model_with(site, groups("active/optimized", first=2)))
    (change,) = [step for step in plan if isinstance(step, ChangeTarget)]
    assert change.effects == (
        "new logins only",
        "sessions of port groups that are gone are logged out",
        "unit attention: asymmetric access state changed",
    )
    assert "port groups" in change.describe()


def model_with(site: Inside, head: str) -> Config:
    site.write(site.lun(1), head=head)
    return site.loader.load()


@pytest.mark.parametrize(
    ("medium", "promised", "attention"),
    [
        (", sync = true", MEDIUM_CHANGED, MEDIUM_MAY_HAVE_CHANGED),
        (', filters = [{ type = "readonly" }]', MODE_CHANGED, MODE_PARAMETERS_CHANGED),
    ],
)
def test_the_plan_says_what_initiators_hear(site: Inside, medium: str, promised: str, attention: Sense) -> None:
    """A medium that is opened in another way was away; a filter can make a disk read-only."""
    site.write(site.lun(1))
    site.start()
    itl = attached(site.nexus(), 1)
    before = site.loader.load()
    site.write(site.lun(1, medium=medium))
    (step,) = diff(before, site.loader.load())
    assert step.effects == (promised,)
    assert site.reload().result == "applied"
    site.turn_until(lambda: attention in itl.attentions)
