"""The daemon's state as data."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inside import IQN, Inside, inside
from tgtd.net.iscsi.session import Session
from tgtd.status import Census, Health, Reload, entrances, pieces, session_row


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        yield it


def document(site: Inside) -> Any:
    return json.loads("".join(pieces(site.tree, site.health)))


def test_whether_io_uring_is_in_use(site: Inside) -> None:
    assert document(site)["io_uring"] == "not asked for"


def test_nothing_yet(site: Inside) -> None:
    seen = document(site)
    assert seen["targets"] == []
    assert seen["last_reload"] is None
    assert seen["counters"]["luns"] == 0


def test_targets_and_luns(site: Inside) -> None:
    site.write(
        site.lun(1, more="read_only = true\nremovable = true"),
        site.lun(2, None),
        site.lun(3, more="online = false"),
        head='alias = "vms"',
    )
    (site.media / "1.img").write_bytes(bytes(1 << 20))
    site.write(name="iqn.2026-11.org.test:b", file="b.toml")
    site.start()
    seen = document(site)
    first, second = seen["targets"]
    assert (first["name"], first["alias"], first["portals"]) == (IQN, "vms", [f"127.0.0.1:{site.port}"])
    assert first["origin"].endswith("a.toml:1:1")
    one, two, three = first["luns"]
    assert (one["number"], one["state"], one["size"], one["cause"]) == (1, "online", 1 << 20, None)
    assert {"read-only", "removable"} <= set(one["flags"])
    assert len(one["wwid"]) == 32
    assert one["medium"]["path"] == str(site.media / "1.img")
    assert (two["state"], two["size"]) == ("pending", None)
    assert "does not exist" in two["cause"]
    assert three["state"] == "offline"
    assert second["luns"] == second["sessions"] == []
    assert {k: seen["counters"][k] for k in ("targets", "luns", "online", "pending", "offline")} == {
        "targets": 2,
        "luns": 3,
        "online": 1,
        "pending": 1,
        "offline": 1,
    }


def test_pieces_stay_small(site: Inside) -> None:
    site.write(*(site.lun(number) for number in range(50)))
    site.start()
    assert max(map(len, pieces(site.tree, site.health))) < 4096


def test_a_target_that_goes_while_pieces_are_taken_does_no_harm(site: Inside) -> None:
    site.write(site.lun(1), site.lun(2))
    site.write(site.lun(7), name="iqn.2026-11.org.test:b", file="b.toml")
    site.start()
    text = pieces(site.tree, site.health)
    begun = [next(text) for _ in range(3)]
    for file in ("a.toml", "b.toml"):
        (site.config / "targets.d" / file).unlink()
    site.reload()
    assert json.loads("".join(begun) + "".join(text))["targets"][0]["name"] == IQN


def test_a_session_began_at_one_moment(site: Inside) -> None:
    """However often one asks, and whatever the wall clock does meanwhile."""
    site.write(site.lun(1))
    site.start()
    session = Session(site.service, site.service.targets[IQN], "iqn.2026-11.org.test:i", 1, 1, 1, 8)
    rows = []
    for _ in range(2):
        rows.append(session_row(session, site.health))
        site.loop.turn(0.01)
    assert rows[0]["since"] == rows[1]["since"]
    assert abs(time.time() - float(str(rows[0]["since"]))) < 60


def test_the_last_reload_is_shown(site: Inside) -> None:
    site.health = Health(last_reload=Reload("refused", "SIGHUP", 5.0, errors=("a.toml:1:1: no",)))
    assert document(site)["last_reload"] == {
        "result": "refused",
        "by": "SIGHUP",
        "time": 5.0,
        "steps": [],
        "errors": ["a.toml:1:1: no"],
        "warnings": [],
    }


def test_where_initiators_come_in(site: Inside) -> None:
    """Portals; and where workers serve the targets, ports only while none is pending."""
    fabric = 'transport = "loopback"\nport = "naa.5001405000000001"\n'
    (site.config / "targets.d/b.toml").write_text(
        f'[[target]]\nname = "{IQN}b"\n{fabric}access = {{ anyone = true }}\n' + site.lun(1)
    )
    site.write(site.lun(2))
    site.start()
    portal = f"127.0.0.1:{site.port}"
    assert entrances(site.tree, Census(waiting=0)) == [portal, "loopback naa.5001405000000001"]
    assert entrances(site.tree, Census(waiting=1)) == [portal]


@pytest.mark.parametrize(
    ("census", "text"),
    [
        (Census(), "0 targets, 0 LUNs, 0 sessions"),
        (Census(1, 1, 1, 0, 0, 1), "1 target, 1 LUN, 1 session"),
        (Census(2, 9, 6, 2, 1, 3), "2 targets, 9 LUNs (2 pending, 1 offline), 3 sessions"),
        (Census(2, 1, 1, waiting=1), "2 targets (1 pending), 1 LUN, 0 sessions"),
    ],
)
def test_the_summary(census: Census, text: str) -> None:
    assert census.summary() == text
