"""A login that begins at one service and is finished by another, which has the target."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.initiator import TEST_UNIT_READY, LoginFailed, read10, write10
from tests.net.iscsi.conftest import NAME, Stage
from tgtd.net.iscsi.handover import Parcel
from tgtd.net.iscsi.node import IscsiTarget
from tgtd.net.iscsi.settings import Access, Limits
from tgtd.scsi.target import Target


class Relay:
    """`stage` has the target; `front` has its portal, and knows the target without LUNs."""

    def __init__(self, stage: Stage, front: Stage) -> None:
        self.stage = stage
        self.front = front
        self.parcels: list[Parcel] = []
        front.call(self._set_up)
        stage.call(lambda: setattr(stage.target, "portals", (front.address,)))

    def _set_up(self) -> None:
        service = self.front.service
        bare = IscsiTarget(
            Target(NAME, lambda number: self.front.disk),
            access=Access(anyone=True),
            portals=(self.front.address,),
        )
        service.targets[NAME] = bare
        service.courier = self._carry

    def _carry(self, parcel: Parcel, address: str) -> None:
        self.parcels.append(parcel)
        parted = lambda: self.front.loop.call_from_thread(lambda: self.front.service.parted(address))  # noqa: E731
        self.stage.loop.call_from_thread(lambda: self.stage.service.adopt(parcel, parted))


@pytest.fixture
def relay(stage: Stage) -> Iterator[Relay]:
    front = Stage()
    yield Relay(stage, front)
    front.close()


def test_a_session(relay: Relay) -> None:
    with relay.front.connect().login() as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        assert initiator.write(write10(0, 8), b"h" * 4096, lun=1).status == 0
        assert initiator.read(read10(0, 8), 4096, lun=1).data == b"h" * 4096
        assert len(relay.parcels) == 1
        assert relay.front.call(lambda: len(relay.front.service.connections)) == 0
        assert relay.stage.call(lambda: len(relay.stage.service.sessions)) == 1
        initiator.logout()
    assert relay.stage.medium_start() == b"h" * 512
    assert relay.front.becomes(lambda: not relay.front.service._per_address)  # it came out even


def test_discovery_stays(relay: Relay) -> None:
    with relay.front.connect(target=None).login() as initiator:
        assert ("TargetName", NAME) in initiator.send_targets("All")
    assert relay.parcels == []


def test_a_target_that_nobody_has(relay: Relay) -> None:
    with pytest.raises(LoginFailed, match="0203h"):
        relay.front.connect(target="iqn.2026-11.org.test:none").login()
    assert relay.parcels == []


def test_limits_count_what_was_passed_on(relay: Relay) -> None:
    relay.front.call(lambda: setattr(relay.front.service, "limits", Limits(connections=1)))
    with relay.front.connect().login() as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        with pytest.raises((AssertionError, OSError, EOFError)):
            relay.front.connect().login()
