from __future__ import annotations

from tests.hw.fabrics.conftest import Machine
from tgtd.hw.fabrics.host import Host
from tgtd.hw.fabrics.vhost import FABRIC

NAME = "naa.5001405000000001"


def test_it_says_how_qemu_gets_at_it(machine: Machine) -> None:
    host = Host(machine.root)
    assert FABRIC.state(host, NAME) == "not set up"
    machine.make(f"sys/kernel/config/target/vhost/{NAME}/tpgt_1")
    assert f"wwpn={NAME}" in FABRIC.state(host, NAME)
    assert FABRIC.lack(host, NAME) is None
