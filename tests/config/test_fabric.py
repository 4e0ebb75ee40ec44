"""Targets on fabrics of the kernel: names, and what does not go with them."""

from __future__ import annotations

import pytest

from tests.config.tree import Tree
from tgtd.config.fabric import KINDS
from tgtd.config.model import FabricPort

HEAD = '[[target]]\nname = "iqn.2026-11.org.test:a"\n'
ANYONE = "access = { anyone = true }\n"
LUN = '[[target.lun]]\nnumber = 1\nmedium = { type = "ram", size = "1 MiB" }\n'


def on(transport: str, port: str, rest: str = ANYONE) -> str:
    return f'{HEAD}transport = "{transport}"\nport = "{port}"\n{rest}'


def named(*initiators: str) -> str:
    return f"access = {{ initiators = [{', '.join(map(repr, initiators))}] }}\n"


@pytest.mark.parametrize(
    ("transport", "port", "written"),
    [
        ("qla2xxx", "21:00:00:24:FF:31:4c:48", "21:00:00:24:ff:31:4c:48"),
        ("qla2xxx", "0x21000024ff314c48", "21:00:00:24:ff:31:4c:48"),
        ("qla2xxx", "naa.21000024ff314c48", "21:00:00:24:ff:31:4c:48"),
        ("loopback", "naa.5001405000000001", "naa.5001405000000001"),
        ("vhost", "naa.5001405000000001", "naa.5001405000000001"),
        ("ibmvscsis", "30000003", "30000003"),
        ("ibmvscsis", "0x3000000A", "3000000a"),
    ],
)
def test_ports_are_written_as_the_kernel_writes_them(tree: Tree, transport: str, port: str, written: str) -> None:
    target = tree.target(on(transport, port))
    assert target.fabric == FabricPort(written, 30, 1, 0)
    assert target.transport == transport
    assert target.portals == ()
    assert target.groups == ()


@pytest.mark.parametrize(
    ("transport", "port", "initiator", "written"),
    [
        ("fcoe", "20:00:52:54:00:12:34:56", "0x2000525400123457", "20:00:52:54:00:12:34:57"),
        ("qla2xxx", "21:00:00:24:ff:31:4c:48", "21:00:00:24:ff:31:4c:49", "21:00:00:24:ff:31:4c:49"),
        (
            "srp",
            "fe80:0000:0000:0000:5054:00ff:fe12:3456",
            "0x0000000000000000505400FFFE123456",
            "0x0000000000000000505400fffe123456",
        ),
    ],
)
def test_initiators_too(tree: Tree, transport: str, port: str, initiator: str, written: str) -> None:
    mapped = f'[[target.map]]\ninitiators = ["{initiator}"]\nluns = [{{ lun = 1, as = 0 }}]\n'
    target = tree.target(on(transport, port, named(initiator)) + LUN + mapped)
    assert target.access.initiators == (written,)
    assert target.views[0].initiators == (written,)
    if transport == "srp":
        assert target.fabric is not None
        assert target.fabric.port == "0xfe80000000000000505400fffe123456"


@pytest.mark.parametrize("transport", KINDS)
def test_a_port_of_another_form_is_refused_with_an_example(tree: Tree, transport: str) -> None:
    complaints = tree.complaints(on(transport, "eth0"))
    assert any(KINDS[transport].port.example in complaint for complaint in complaints), complaints


def test_what_it_has_of_its_own(tree: Tree) -> None:
    target = tree.target(
        on("srp", "0xfe80000000000000505400fffe123456", named("0x" + "0" * 32))
        + "fabric = { cmd_time_out = 120, tag = 7, rdma_cm_port = 5555 }\n"
    )
    assert target.fabric == FabricPort("0xfe80000000000000505400fffe123456", 120, 7, 5555)
    assert [group.tag for group in target.groups] == [7]


NAA = "naa.5001405000000001"
WWPN = "21:00:00:24:ff:31:4c:48"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f'{HEAD}transport = "loopback"\n{ANYONE}', f'needs a port; add port = "{NAA}"'),
        (f'{HEAD}port = "{NAA}"\n{ANYONE}', "the transport is iscsi"),
        (f"{HEAD}fabric = {{ tag = 2 }}\n{ANYONE}", "the transport is iscsi"),
        (on("loopback", NAA) + 'portals = ["0.0.0.0:3260"]\n', "its port takes their place"),
        (on("loopback", NAA) + "iscsi = { queue_depth = 4 }\n", "no such sessions"),
        (on("loopback", NAA) + 'redirect = { address = "10.0.0.1" }\n', "sent elsewhere"),
        (on("loopback", NAA) + '[[target.port_group]]\ntag = 1\nportals = ["10.0.0.1"]\n', "port_group"),
        (on("loopback", NAA) + "fabric = { rdma_cm_port = 5 }\n", "no RDMA connections"),
        (on("loopback", NAA, named(NAA)), "loopback has no access lists"),
        (on("fcoe", WWPN), "lets nobody in on fcoe who is not named"),
        (on("srp", "0x" + "f" * 32), "lets nobody in on srp"),
        (on("fcoe", WWPN, named("21:*")), "not the name of a Fibre Channel port"),
        (on("fcoe", WWPN, "access = { addresses = ['10.0.0.0/8'] }\n"), "no addresses and no passwords"),
        (
            on("loopback", NAA)
            + '[[target.lun]]\nnumber = 1\ndevice = "passthrough"\nmedium = { type = "scsi", path = "/dev/sg0" }\n',
            "a passthrough is possible on iscsi only",
        ),
        (
            on("loopback", NAA)
            + '[[target.lun]]\nnumber = 1\nprotection = 0\nmedium = { type = "ram", size = "1 MiB" }\n',
            "protection is possible on iscsi only",
        ),
        (on("loopback", NAA) + LUN + f"[[target.map]]\ninitiators = ['{NAA}']\nluns = [1]\n", "no access lists"),
        (on("loop", NAA), "transport"),
    ],
)
def test_what_cannot_be(tree: Tree, text: str, why: str) -> None:
    complaints = tree.complaints(text)
    assert any(why in complaint for complaint in complaints), complaints


def test_a_mistake_names_its_place(tree: Tree) -> None:
    [complaint] = tree.complaints(on("qla2xxx", "eth0"))
    assert ":4:" in complaint
    assert 'target "iqn.2026-11.org.test:a": port: "eth0" is not the name of a Fibre Channel port' in complaint
