from __future__ import annotations

import pytest

from tests.config.tree import Tree


def target(name: str, transport: str, port: str, rest: str = "") -> str:
    access = f'initiators = ["0x{"0" * 32}"]' if transport == "srp" else "anyone = true"
    return (
        f'[[target]]\nname = "iqn.2026-11.org.test:{name}"\ntransport = "{transport}"\nport = "{port}"\n'
        f"access = {{ {access} }}\n{rest}"
    )


NAA = "naa.5001405000000001"
GID = "0xfe80000000000000505400fffe12345"


def test_each_target_has_a_port_of_its_own(tree: Tree) -> None:
    [complaint] = tree.complaints(target("a", "loopback", NAA) + target("b", "loopback", NAA.upper().lower()))
    assert 'is the port of target "iqn.2026-11.org.test:a" too' in complaint


def test_other_fabrics_have_other_ports(tree: Tree) -> None:
    assert tree.complaints(target("a", "loopback", NAA) + target("b", "vhost", NAA)) == []


@pytest.mark.parametrize("other", [5555, 6666])
def test_the_connection_manager_has_one_port(tree: Tree, other: int) -> None:
    text = target("a", "srp", f"{GID}1", "fabric = { rdma_cm_port = 5555 }\n")
    text += target("b", "srp", f"{GID}2", f"fabric = {{ rdma_cm_port = {other} }}\n")
    complaints = tree.complaints(text + target("c", "srp", f"{GID}3"))
    assert len(complaints) == (other != 5555)
    assert all("wants 5555" in complaint for complaint in complaints)


def test_a_passthrough_is_not_shared_either(tree: Tree) -> None:
    real = (
        '[[target]]\nname = "iqn.2026-11.org.test:real"\naccess = { anyone = true }\n[[target.lun]]\nnumber = 1\n'
        'device = "passthrough"\nmedium = { type = "scsi", path = "/dev/sg0" }\n'
    )
    shared = '[[target.shared_lun]]\nnumber = 1\ntarget = "iqn.2026-11.org.test:real"\nlun = 1\n'
    complaints = tree.complaints(real + target("a", "loopback", NAA, "fabric = { tag = 2 }\n" + shared))
    assert any("possible on iscsi only" in complaint for complaint in complaints), complaints


def test_nor_is_a_disk_with_protection(tree: Tree) -> None:
    disk = (
        '[[target]]\nname = "iqn.2026-11.org.test:real"\naccess = { anyone = true }\n[[target.lun]]\nnumber = 1\n'
        'protection = 1\nmedium = { type = "ram", size = "1 MiB" }\n'
    )
    shared = '[[target.shared_lun]]\nnumber = 1\ntarget = "iqn.2026-11.org.test:real"\nlun = 1\n'
    [complaint] = tree.complaints(disk + target("a", "loopback", NAA, "fabric = { tag = 2 }\n" + shared))
    assert "protection is possible on iscsi only" in complaint


def test_shared_luns_need_tags_of_their_own(tree: Tree) -> None:
    disk = (
        '[[target]]\nname = "iqn.2026-11.org.test:disk"\naccess = { anyone = true }\n[[target.lun]]\nnumber = 1\n'
        'medium = { type = "ram", size = "1 MiB" }\n'
    )
    shared = '[[target.shared_lun]]\nnumber = 1\ntarget = "iqn.2026-11.org.test:disk"\nlun = 1\n'
    [complaint] = tree.complaints(disk + target("a", "loopback", NAA, shared))
    assert "[target.fabric] with another tag, such as tag = 2" in complaint
    assert tree.complaints(disk + target("a", "loopback", NAA, "fabric = { tag = 2 }\n" + shared)) == []
