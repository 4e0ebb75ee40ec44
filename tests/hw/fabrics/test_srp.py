from __future__ import annotations

from tests.hw.fabrics.conftest import Machine
from tgtd.hw.configfs.item import Value
from tgtd.hw.fabrics.fabric import Port
from tgtd.hw.fabrics.host import Host
from tgtd.hw.fabrics.srp import FABRIC

NAME = "0xfe80000000000000505400fffe123456"


def test_the_port_must_be_there(machine: Machine) -> None:
    machine.make("sys/module/ib_srpt")
    host = Host(machine.root)
    lack = FABRIC.lack(host, NAME)
    assert lack is not None
    assert "rdma_rxe" in lack.cure
    place = "sys/class/infiniband/rxe0/ports/1"
    machine.write(f"{place}/gids/0", "fe80:0000:0000:0000:5054:00ff:fe12:3456")
    machine.write(f"{place}/state", "4: ACTIVE")
    assert FABRIC.lack(host, NAME) is None
    assert FABRIC.state(host, NAME) == "rxe0/1 is active"
    other = FABRIC.lack(host, "0xfe800000000000000000000000000001")
    assert other is not None
    assert NAME in other.cure


def test_the_connection_manager_listens_only_where_it_is_wished() -> None:
    def ports(wanted: int) -> list[str]:
        items = FABRIC.items(Port(NAME, {0: "core/user_1/a"}, {}, rdma_port=wanted))
        return [item.text for item in items if isinstance(item, Value) and item.path.endswith("rdma_cm_port")]

    assert ports(0) == []
    assert ports(5555) == ["5555"]
