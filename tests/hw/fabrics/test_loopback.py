from __future__ import annotations

from tests.hw.fabrics.conftest import Machine
from tgtd.hw.fabrics.host import Host
from tgtd.hw.fabrics.loopback import FABRIC

NAME = "naa.5001405000000001"


def test_it_needs_nothing_but_the_target_core(machine: Machine) -> None:
    assert FABRIC.lack(Host(machine.root), NAME) is None


def test_its_state_is_where_its_luns_appear(machine: Machine) -> None:
    host = Host(machine.root)
    assert FABRIC.state(host, NAME) == "not set up"
    machine.write(f"sys/kernel/config/target/loopback/{NAME}/tpgt_1/address", "2:0:1")
    assert FABRIC.state(host, NAME) == "SCSI host and target 2:0:1 of this machine"
