"""The running tree: targets with their placeholders, and portals."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inside import IQN, Inside, inside
from tgtd.notify import InheritedSockets
from tgtd.scsi.target import encode_lun
from tgtd.tree import advice


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
    import os

    assert words in advice(endpoint, OSError(number, os.strerror(number)))
