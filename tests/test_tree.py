"""The running tree: targets with their placeholders, and portals."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inside import IQN, Inside, attached, inside
from tgtd.notify import InheritedSockets
from tgtd.scsi.sense import ASYMMETRIC_ACCESS_STATE_CHANGED, INQUIRY_DATA_CHANGED, REPORTED_LUNS_CHANGED
from tgtd.scsi.target import encode_lun
from tgtd.tree import advice
from tgtd.units import UnitState


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        yield it


def test_a_controller_answers_at_lun_0_and_nothing_elsewhere(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    nexus = site.nexus()
    assert nexus.lun(encode_lun(0)).lu.device_type == 0x0C
    assert nexus.lun(encode_lun(1)).lu is site.unit(1).device
    assert nexus.lun(encode_lun(2)).lu.device_type == 0x1F


def test_all_units_with_their_targets(site: Inside) -> None:
    site.write(site.lun(1), site.lun(4))
    site.start()
    assert [(target.wish.name, unit.wish.number) for target, unit in site.tree.units()] == [(IQN, 1), (IQN, 4)]


def test_identities_belong_to_target_and_lun(site: Inside) -> None:
    site.write(site.lun(1), site.lun(2))
    site.start()
    first = {n: site.unit(n).device.identity for n in (1, 2)}
    site.write(site.lun(2), site.lun(1, more="thin = false"))
    site.reload()
    assert {n: site.unit(n).device.identity for n in (1, 2)} == first
    assert first[1].wwid != first[2].wwid


def test_a_passed_socket_is_used(site: Inside) -> None:
    """Nobody else could bind the address, so a portal that opens there uses the passed one."""
    passed = socket.create_server(("127.0.0.1", 0))
    port = passed.getsockname()[1]
    site.tree.inherited = InheritedSockets([passed.detach()])
    site.tree.open_portal(("127.0.0.1", port))
    assert site.service.portals["127.0.0.1", port].adopted
    site.service.close_portal("127.0.0.1", port)
    site.tree.open_portal(("127.0.0.1", port))
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    site.tree.inherited.close()


@pytest.mark.parametrize(
    ("endpoint", "number", "words"),
    [
        (("127.0.0.1", 1), errno.EADDRINUSE, "127.0.0.1:1: Address already in use; another program"),
        (("::1", 1), errno.EADDRNOTAVAIL, "[::1]:1: Cannot assign requested address; no interface"),
        (("0.0.0.0", 1), errno.EACCES, "CAP_NET_BIND_SERVICE"),
        (("0.0.0.0", 1), errno.EIO, "Input/output error"),
    ],
)
def test_advice(endpoint: tuple[str, int], number: int, words: str) -> None:
    assert words in advice(endpoint, OSError(number, os.strerror(number)), [("0.0.0.0", 2)])


def test_advice_where_systemd_listens() -> None:
    trouble = OSError(errno.EADDRINUSE, "in use")
    assert "systemd listens on 0.0.0.0:3260" in advice(("127.0.0.1", 3260), trouble, [("0.0.0.0", 3260)])


OTHER = "iqn.2026-11.org.test:b"


def sharing(site: Inside, *luns: str, number: int | None = 5, lun: int = 1) -> None:
    """A second target, which offers LUN `lun` of the first as LUN `number`."""
    share = "" if number is None else f'[[target.shared_lun]]\nnumber = {number}\ntarget = "{IQN}"\nlun = {lun}\n'
    head = f'[[target.port_group]]\ntag = 2\nportals = ["127.0.0.1:{site.port}"]\n'
    site.write(*luns, share, name=OTHER, file="b.toml", head=head)


def test_two_targets_share_a_lun(site: Inside) -> None:
    site.write(site.lun(1))
    sharing(site, site.lun(9))
    assert site.start().errors == ()
    device = site.unit(1).device
    assert site.tree.targets[OTHER].scsi.luns == {5: device, 9: site.unit(9, OTHER).device}
    assert device.access.ports == (1, 2)
    assert device.access.tpgs == 1
    assert [number for number, _ in enumerate(site.tree.units())] == [0, 1]


def test_a_lun_is_shared_renumbered_and_not_shared_any_more(site: Inside) -> None:
    site.write(site.lun(1))
    sharing(site, site.lun(9), number=None)
    site.start()
    here, there = attached(site.nexus(), 1), attached(site.nexus(name=OTHER), 9)
    device = site.unit(1).device
    sharing(site, site.lun(9))
    assert site.reload().errors == ()
    assert REPORTED_LUNS_CHANGED in there.attentions
    assert here.attentions == [INQUIRY_DATA_CHANGED, ASYMMETRIC_ACCESS_STATE_CHANGED]
    far = attached(next(iter(site.tree.targets[OTHER].scsi.nexuses)), 5)
    assert far.lu is device
    sharing(site, site.lun(9), number=6)
    assert site.reload().errors == ()
    assert site.tree.targets[OTHER].scsi.luns.get(6) is device
    assert 5 not in site.tree.targets[OTHER].scsi.luns
    assert far not in device.nexuses
    sharing(site, site.lun(9), number=None)
    assert site.reload().errors == ()
    assert list(device.access.homes) == [site.tree.targets[IQN].scsi]
    assert site.unit(1).device is device
    assert site.unit(1).state is UnitState.ONLINE


def test_a_shared_lun_that_becomes_another_is_shared_anew(site: Inside) -> None:
    """Another block size makes another unit of it."""
    site.write(site.lun(1))
    sharing(site)
    site.start()
    before = site.unit(1).device
    site.write(site.lun(1, more="block_size = 4096"))
    assert site.reload().errors == ()
    after = site.unit(1).device
    assert after is not before
    assert site.tree.targets[OTHER].scsi.luns == {5: after}
    assert not before.access.homes


def test_a_shared_number_becomes_a_lun_of_its_own_and_back(site: Inside) -> None:
    site.write(site.lun(1))
    sharing(site)
    site.start()
    sharing(site, site.lun(5), number=None)
    assert site.reload().errors == ()
    assert site.tree.targets[OTHER].scsi.luns == {5: site.unit(5, OTHER).device}
    sharing(site)
    assert site.reload().errors == ()
    assert site.tree.targets[OTHER].scsi.luns == {5: site.unit(1).device}


def test_the_target_that_shares_goes_and_the_lun_stays(site: Inside) -> None:
    site.write(site.lun(1))
    sharing(site)
    site.start()
    device = site.unit(1).device
    (site.config / "targets.d" / "b.toml").unlink()
    assert site.reload().errors == ()
    assert list(device.access.homes) == [site.tree.targets[IQN].scsi]
    assert device.medium is not None


def test_both_targets_go_together(site: Inside) -> None:
    site.write(site.lun(1))
    sharing(site)
    site.start()
    device = site.unit(1).device
    for file in ("a.toml", "b.toml"):
        (site.config / "targets.d" / file).unlink()
    assert site.reload().errors == ()
    assert not device.access.homes
    assert not site.tree.targets


def test_a_plan_that_fails_half_way_leaves_the_sharing_as_it_was(site: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(site.lun(1))
    sharing(site)
    site.start()
    device = site.unit(1).device
    sharing(site, site.lun(9), number=6)

    def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(site.tree, "make_unit", fail)
    assert site.reload().errors
    assert site.tree.targets[OTHER].scsi.luns == {5: device}
