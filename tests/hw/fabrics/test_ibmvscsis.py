"""No Power system is here: the kernel's rules are those that its source documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hw.configfs.kernel import Kernel
from tests.hw.fabrics.conftest import Machine
from tgtd.hw.configfs.difference import KernelStep, MakeFolder, MakeLink, Write, difference
from tgtd.hw.configfs.present import Owned
from tgtd.hw.configfs.tree import KernelRefusal
from tgtd.hw.fabrics.fabric import Port
from tgtd.hw.fabrics.host import Host
from tgtd.hw.fabrics.ibmvscsis import FABRIC

GROUP = "ibmvscsis/30000003/tpgt_1"
NOTHING = Owned(frozenset(), frozenset(), frozenset())
STORE: list[KernelStep] = [MakeFolder("core/user_1"), MakeFolder("core/user_1/a"), Write("core/user_1/a/enable", "1")]


def test_the_sequence_that_the_kernel_documents(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, {"ibmvscsis": {"30000003"}})
    kernel.carry_out(STORE)
    kernel.steps.clear()
    items = list(FABRIC.items(Port("30000003", {0: "core/user_1/a"})))
    kernel.carry_out(difference(items, kernel.take(items), NOTHING))
    assert kernel.steps == [
        MakeFolder("ibmvscsis"),
        MakeFolder("ibmvscsis/30000003"),
        MakeFolder(GROUP),
        MakeFolder(f"{GROUP}/lun/lun_0"),
        MakeLink(f"{GROUP}/lun/lun_0/tgtd", "core/user_1/a"),
        Write(f"{GROUP}/enable", "1"),
    ]


def test_an_adapter_that_is_not_there_is_refused_by_the_kernel_too(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, {"ibmvscsis": {"30000003"}})
    kernel.carry_out(STORE)
    items = list(FABRIC.items(Port("30000004", {0: "core/user_1/a"})))
    with pytest.raises(KernelRefusal, match="mkdir ibmvscsis/30000004"):
        kernel.carry_out(difference(items, kernel.take(items), NOTHING))


def cure(machine: Machine) -> str:
    lack = FABRIC.lack(Host(machine.root), "30000003")
    return "" if lack is None else str(lack)


def test_what_is_missing(machine: Machine) -> None:
    assert "no VIO bus" in cure(machine)
    machine.make("sys/bus/vio/devices/30000004")
    assert "no VIO server adapter 30000003; add a virtual SCSI server adapter" in cure(machine)
    machine.make("sys/bus/vio/drivers/ibmvscsis/30000005")
    assert "or write one of 30000005" in cure(machine)
    machine.make("sys/bus/vio/devices/30000003")
    assert "modprobe ibmvscsis" in cure(machine)
    machine.make("sys/module/ibmvscsis")
    assert "30000003 is not a server adapter" in cure(machine)
    machine.make("sys/bus/vio/drivers/ibmvscsis/30000003")
    assert cure(machine) == ""


def test_its_state(machine: Machine) -> None:
    host = Host(machine.root)
    assert FABRIC.state(host, "30000003") == "not set up"
    for text, begin in (("0", "not enabled"), ("1", "enabled")):
        machine.write(f"sys/kernel/config/target/{GROUP}/enable", text)
        assert FABRIC.state(host, "30000003").startswith(begin)
