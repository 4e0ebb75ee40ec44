"""What each step does to a running tree, and what initiators see of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import free_port
from tests.inside import IQN, Inside, attached, inside
from tgtd.config.model import Config
from tgtd.config.plan import diff
from tgtd.config.steps import MEDIUM_CHANGED, MODE_CHANGED, ChangeTarget
from tgtd.scsi.access import STATE_NAMES
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
    assert site.state(3)[0] is UnitState.ONLINE
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
    assert site.state(1) == (UnitState.ONLINE, 5 * MIB, None)
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
    assert site.state(1) == (UnitState.OFFLINE, None, None)
    site.turn_until(site.unit(1).lane.idle)
    site.write(site.lun(1))
    site.reload()
    site.turn_until(lambda: site.unit(1).state is UnitState.ONLINE)


def test_access_and_views_change_live(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    live = site.tree.targets[IQN]
    site.write(site.lun(1), access='initiators = ["iqn.only:*"]', head='alias = "new"')
    assert site.reload().result == "applied"
    assert site.service.targets[live.wish.name].alias == "new"
    assert site.service.targets[live.wish.name].access.refusal("iqn.other:1", "127.0.0.1") is not None
    assert site.service.targets[live.wish.name].access.refusal("iqn.only:1", "127.0.0.1") is None


def test_tgtd_toml_is_handed_on(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    (site.config / "tgtd.toml").write_text("stop_timeout = 7\n")
    assert site.reload().result == "applied"
    assert [change.stop_timeout for change in site.daemon_changes] == [7]


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
