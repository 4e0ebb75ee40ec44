from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inside import IQN, Inside, inside
from tgtd.config import model
from tgtd.sides import DistantSide, IscsiSide


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        yield it


def side(site: Inside) -> IscsiSide:
    found = site.tree.targets[IQN].side
    assert isinstance(found, IscsiSide)
    return found


def test_on_the_network_a_target_is_one_of_the_service(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    assert site.service.targets[IQN] is side(site).node
    assert side(site).sessions == []
    assert side(site).status() is None
    side(site).hide()
    assert IQN not in site.service.targets
    side(site).show()
    assert site.service.targets[IQN] is side(site).node


def test_what_changes_is_for_those_who_come(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    site.write(site.lun(1), head='alias = "new"\nonline = false')
    site.reload()
    node = side(site).node
    assert (node.alias, node.online) == ("new", False)
    assert side(site).recheck() == []


def test_elsewhere_nothing_is_done() -> None:
    one = DistantSide()
    one.show()
    one.refresh()
    one.hide()
    assert (one.sessions, one.cause, one.recheck(), one.status(), one.settling) == ((), None, [], None, False)


def test_a_tree_without_fabrics_has_them_elsewhere(site: Inside) -> None:
    (site.config / "targets.d/b.toml").write_text(
        f'[[target]]\nname = "{IQN}"\ntransport = "loopback"\nport = "naa.5001405000000001"\n'
        "access = { anyone = true }\n"
    )
    site.start()
    live = site.tree.targets[IQN]
    assert isinstance(live.side, DistantSide)
    assert isinstance(live.wish.fabric, model.FabricPort)
    assert IQN not in site.service.targets
