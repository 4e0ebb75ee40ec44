"""TapeAlert: each nexus is told of each flag once, unless it is raised again."""

from __future__ import annotations

from tests.scsi.smc.library import Library
from tgtd.scsi.spc.tapealert import FLAGS, Alerts

HEADER = bytes.fromhex("4d006e00000000000400")


def test_told_once_to_each() -> None:
    library = Library()
    alerts = Alerts()
    one, two = library.itl(), library.itl(nexus=library.connect("b"))
    alerts.activate(3, 5)
    alerts.tell(one)
    alerts.reader = one
    assert alerts.active() == set()
    alerts.reader = two
    assert alerts.active() == {3, 5}
    alerts.activate(5)
    alerts.reader = one
    assert alerts.active() == {5}
    alerts.lose(one)
    assert alerts.active() == {3, 5}


def test_whoever_looks_at_the_header_only_is_not_told() -> None:
    library = Library()
    library.changer.alerts.activate(FLAGS[0])
    library.good(HEADER)
    for expected in (1, 0):
        assert library.good(HEADER[:7] + b"\xff\xff\0")[8] == expected
