"""No such adapter is here: the kernel's rules are those that its source documents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.hw.configfs.kernel import Kernel
from tests.hw.fabrics.conftest import Machine
from tgtd.hw.configfs.difference import KernelStep, MakeFolder, MakeLink, Write, difference
from tgtd.hw.configfs.present import Owned
from tgtd.hw.fabrics.fabric import Port
from tgtd.hw.fabrics.host import Host
from tgtd.hw.fabrics.qla2xxx import FABRIC

NAME, HOST = "21:00:00:24:ff:31:4c:48", "21:00:00:24:ff:31:4c:49"
GROUP = f"qla2xxx/{NAME}/tpgt_1"
NOTHING = Owned(frozenset(), frozenset(), frozenset())
STORE: list[KernelStep] = [MakeFolder("core/user_1"), MakeFolder("core/user_1/a"), Write("core/user_1/a/enable", "1")]


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    kernel = Kernel(tmp_path, {"qla2xxx": {NAME}})
    kernel.carry_out(STORE)
    kernel.steps.clear()
    return kernel


def apply(kernel: Kernel, initiators: Mapping[str, Mapping[int, int]] | None) -> list[KernelStep]:
    """initiators: None: whoever comes."""
    items = list(FABRIC.items(Port(NAME, {0: "core/user_1/a"}, initiators or {}, door=initiators is None)))
    kernel.steps.clear()
    kernel.carry_out(difference(items, kernel.take(items), NOTHING))
    return list(kernel.steps)


def test_the_sequence_for_named_initiators(kernel: Kernel) -> None:
    assert apply(kernel, {HOST: {4: 0}}) == [
        MakeFolder("qla2xxx"),
        MakeFolder(f"qla2xxx/{NAME}"),
        MakeFolder(GROUP),
        Write(f"{GROUP}/attrib/generate_node_acls", "0"),
        Write(f"{GROUP}/attrib/cache_dynamic_acls", "0"),
        Write(f"{GROUP}/attrib/demo_mode_write_protect", "0"),
        Write(f"{GROUP}/attrib/demo_mode_login_only", "0"),
        MakeFolder(f"{GROUP}/lun/lun_0"),
        MakeLink(f"{GROUP}/lun/lun_0/tgtd", "core/user_1/a"),
        MakeFolder(f"{GROUP}/acls/{HOST}"),
        MakeFolder(f"{GROUP}/acls/{HOST}/lun_4"),
        MakeLink(f"{GROUP}/acls/{HOST}/lun_4/tgtd", f"{GROUP}/lun/lun_0"),
        Write(f"{GROUP}/enable", "1"),
    ]


def test_an_open_door_lets_initiators_write(kernel: Kernel) -> None:
    values = {step.path.rpartition("/")[2]: step.text for step in apply(kernel, None) if isinstance(step, Write)}
    assert values == {
        "generate_node_acls": "1",
        "cache_dynamic_acls": "1",
        "demo_mode_write_protect": "0",
        "demo_mode_login_only": "0",
        "enable": "1",
    }


def test_once_enabled_it_is_not_enabled_again(kernel: Kernel) -> None:
    """The kernel answers EEXIST to that."""
    apply(kernel, None)
    assert apply(kernel, None) == []


def cure(machine: Machine) -> str:
    lack = FABRIC.lack(Host(machine.root), NAME)
    return "" if lack is None else str(lack)


def test_what_is_missing(machine: Machine) -> None:
    assert "modprobe qla2xxx" in cure(machine)
    machine.write("sys/module/qla2xxx/parameters/qlini_mode", "enabled")
    assert f"no Qlogic port {NAME}; put the adapter in" in cure(machine)
    machine.fc_host("host3", "0x" + HOST.replace(":", ""), "qla2xxx")
    machine.fc_host("host4", "0x2000525400123456", "fcoe")
    assert f"no Qlogic port {NAME}; write one of {HOST}" in cure(machine)
    machine.fc_host("host5", "0x" + NAME.replace(":", ""), "qla2xxx")
    assert "qlini_mode" in cure(machine)
    machine.write("sys/module/qla2xxx/parameters/qlini_mode", "disabled")
    assert "modprobe tcm_qla2xxx" in cure(machine)
    machine.make("sys/module/tcm_qla2xxx")
    assert cure(machine) == ""


def test_its_state_is_that_of_the_adapter(machine: Machine) -> None:
    assert FABRIC.state(Host(machine.root), NAME) == "not there"
    machine.fc_host("host5", "0x" + NAME.replace(":", ""), "qla2xxx")
    assert FABRIC.state(Host(machine.root), NAME) == "host5 is online"
