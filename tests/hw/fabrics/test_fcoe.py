from __future__ import annotations

from tests.hw.fabrics.conftest import Machine
from tgtd.hw.fabrics.fcoe import FABRIC
from tgtd.hw.fabrics.host import Host

NAME = "20:00:52:54:00:12:34:56"


def test_the_port_must_be_there(machine: Machine) -> None:
    machine.make("sys/module/tcm_fc")
    host = Host(machine.root)
    lack = FABRIC.lack(host, NAME)
    assert lack is not None
    assert "ctlr_create" in lack.cure
    assert FABRIC.state(host, NAME) == "not there"
    machine.fc_host("host5", "0x2000525400123456", "fcoe")
    assert FABRIC.lack(host, NAME) is None
    assert FABRIC.state(host, NAME) == "host5 is online"


def test_ports_that_are_there_are_named(machine: Machine) -> None:
    machine.fc_host("host5", "0x2000525400123456", "fcoe")
    lack = FABRIC.lack(Host(machine.root), "20:00:00:00:00:00:00:01")
    assert lack is not None
    assert NAME in lack.cure
