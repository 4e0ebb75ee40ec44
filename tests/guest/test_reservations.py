"""Persistent reservations by sg_persist and the kernel: two initiators on one disk, fencing, and a daemon that dies."""

from __future__ import annotations

import re

import pytest

from tests.daemon import eventually
from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.wire.conftest import Site

WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 5


class Node:
    """One initiator's device nodes, and the words that fence agents use on them."""

    def __init__(self, guest: Guest, block: str, generic: str, key: int) -> None:
        self.guest = guest
        self.block = f"/dev/{block}"
        self.generic = f"/dev/{generic}"
        self.key = key

    def persist(self, words: str, status: int | None = 0) -> str:
        return self.guest.run(f"sg_persist --no-inquiry {words} {self.generic}", status=status).output

    def initiator(self) -> str:
        """The name by which this node's session is logged in."""
        session = f"/sys/block/{self.block.removeprefix('/dev/')}/device/../../iscsi_session/*"
        return self.guest.run(f"cat {session}/initiatorname").output.strip()

    def register(self) -> None:
        self.persist(f"--out --register-ignore --param-sark={self.key:#x} --param-aptpl")

    def reserve(self, status: int | None = 0) -> str:
        kind = WRITE_EXCLUSIVE_REGISTRANTS_ONLY
        return self.persist(f"--out --reserve --param-rk={self.key:#x} --prout-type={kind}", status)

    def fence(self, victim: Node) -> None:
        self.persist(
            f"--out --preempt-abort --param-rk={self.key:#x} --param-sark={victim.key:#x} "
            f"--prout-type={WRITE_EXCLUSIVE_REGISTRANTS_ONLY}"
        )

    def writes(self) -> bool:
        """Whether the kernel's write gets through."""
        return self.guest.run(f"dd if=/dev/zero of={self.block} bs=4096 count=1 oflag=direct", status=None).status == 0


@pytest.fixture
def nodes(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> tuple[Node, Node]:
    site.write(site.target(site.lun(0)))
    site.start()
    for name in ("one", "two"):
        interface = open_iscsi.interface(name, f"iqn.2026-11.org.test:{name}")
        open_iscsi.login(site.port, interface=interface)
    assert eventually(lambda: len(devices(guest)) == 2)
    found = devices(guest)
    return Node(guest, *found[0], 0x1111), Node(guest, *found[1], 0x2222)


def devices(guest: Guest) -> list[list[str]]:
    """Block device and SCSI generic device of each session."""
    listing = "for each in /sys/class/scsi_device/*:0/device; do echo $(ls $each/block) $(ls $each/scsi_generic); done"
    return [words for line in guest.run(listing).output.splitlines() if len(words := line.split()) == 2]


def test_fencing(site: Site, nodes: tuple[Node, Node]) -> None:
    """What fence_scsi does, with the same tool."""
    one, two = nodes
    assert "Compatible Reservation Handling(CRH): 1" in one.persist("--in --report-capabilities")
    one.register()
    one.reserve()
    assert (one.writes(), two.writes()) == (True, False)
    two.register()
    assert (one.writes(), two.writes()) == (True, True)
    assert "Reservation conflict" in two.reserve(status=None)
    told = one.persist("--in --read-full-status")
    assert "iqn.2026-11.org.test:" in told
    assert "Write Exclusive, registrants only" in told
    two.fence(one)
    assert (one.writes(), two.writes()) == (False, True)
    assert "0x2222" in one.persist("--in --read-keys", status=None) + one.persist("--in --read-keys")
    assert "0x1111" not in two.persist("--in --read-keys")
    site.kill()
    site.start()
    assert (one.writes(), two.writes()) == (False, True), "the kernel logs in again, and is fenced off as before"
    one.register()
    assert one.writes()
    two.persist("--out --clear --param-rk=0x2222")
    assert "there are NO registered reservation keys" in two.persist("--in --read-keys")


def ports(told: str) -> list[str]:
    """Names of initiator ports in what sg_persist says of the full status."""
    return re.findall(r"iqn\.2026-11\.org\.test:\w+,i,0x[0-9a-f]{12}", told)


def test_other_ports_by_their_names(nodes: tuple[Node, Node]) -> None:
    """TransportIDs as sg3_utils makes them: registering an initiator's ports, moving a reservation to one and back."""
    one, two = nodes
    mine, theirs = one.initiator(), two.initiator()
    one.persist(f"--out --register --param-sark=0x1111 --transport-id={theirs}")
    first, second = ports(one.persist("--in --read-full-status"))
    assert (first.startswith(mine), second.startswith(theirs)) == (True, True)
    one.persist("--out --reserve --param-rk=0x1111 --prout-type=3")
    assert (one.writes(), two.writes()) == (True, False)
    one.persist(
        f"--out --register-move --param-rk=0x1111 --param-sark=0x2222 --relative-target-port=1 --transport-id={second}"
    )
    assert (one.writes(), two.writes()) == (False, True)
    two.persist(
        "--out --register-move --param-rk=0x2222 --param-sark=0x3333 --relative-target-port=1 --unreg "
        f"--transport-id={first}"
    )
    assert (one.writes(), two.writes()) == (True, False)
    assert ports(one.persist("--in --read-full-status")) == [first]
