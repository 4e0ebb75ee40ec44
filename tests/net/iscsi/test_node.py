"""Target nodes: portals and views."""

from __future__ import annotations

import pytest

from tests.net.iscsi.test_login import make_target
from tgtd.net.iscsi.settings import View


@pytest.mark.parametrize(
    ("portal", "local", "listens"),
    [
        (("10.0.0.1", 3260), ("10.0.0.1", 3260), True),
        (("10.0.0.1", 3260), ("10.0.0.1", 3261), False),
        (("10.0.0.1", 3260), ("10.0.0.2", 3260), False),
        (("0.0.0.0", 3260), ("10.0.0.2", 3260), True),
        (("0.0.0.0", 3260), ("fd00::1", 3260), False),
        (("::", 3260), ("fd00::1", 3260), True),
        (("::", 3260), ("10.0.0.1", 3260), False),
        (("FD00:0:0::1", 3260), ("fd00::1", 3260), True),
        (("fe80::1%eth0", 3260), ("fe80::1%eth0", 3260), True),
        (("fe80::1%eth0", 3260), ("fe80::1%eth1", 3260), False),
    ],
)
def test_listens_at(portal: tuple[str, int], local: tuple[str, int], listens: bool) -> None:
    assert make_target(portals=(portal,)).listens_at(local) is listens


def test_first_view_that_matches() -> None:
    target = make_target(views=(View(("iqn.a*",), {0: 1}), View(("iqn.*",), {0: 2})))
    assert [target.view(name) for name in ("iqn.ab", "iqn.b", "eui.1")] == [{0: 1}, {0: 2}, None]


def test_the_group_that_a_connection_came_by() -> None:
    target = make_target(portals=(("10.0.0.1", 3260), ("10.0.0.2", 3260), ("0.0.0.0", 3261)), tags=(7, 7, 300))
    found = [target.tag_at((address, port)) for address, port in (("10.0.0.2", 3260), ("10.0.0.3", 3261))]
    assert found == [7, 300]
    assert target.tag_at(("10.0.0.3", 3260)) is None
    assert target.portal_groups() == {7: target.portals[:2], 300: target.portals[2:]}
    target.tags = ()
    assert target.tag_at(("10.0.0.3", 3261)) == 1
    assert target.portal_groups() == {1: target.portals}
