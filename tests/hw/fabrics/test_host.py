from __future__ import annotations

import os
import shutil

import pytest

from tests.hw.fabrics.conftest import Machine
from tgtd.hw.fabrics.host import Host, colons


def cause(machine: Machine) -> str | None:
    lack = Host(machine.root).lack_of_target_core()
    return None if lack is None else lack.cause


def test_nothing_is_missing_where_all_is_there(machine: Machine) -> None:
    assert cause(machine) is None


def test_each_thing_that_may_be_missing_is_told_with_its_cure(machine: Machine) -> None:
    shutil.rmtree(machine.root / "sys/module/target_core_user")
    assert "TCMU" in (cause(machine) or "")
    shutil.rmtree(machine.root / "sys/kernel/config/target")
    assert "not mounted" in (cause(machine) or "")
    machine.make("sys/kernel/config/usb_gadget")
    assert "target core is not loaded" in (cause(machine) or "")
    shutil.rmtree(machine.root / "sys/kernel/config")
    lack = Host(machine.root).lack_of_target_core()
    assert str(lack) == "this kernel has no configfs; load it: modprobe configfs"


def test_no_right_to_write_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode, effective_ids: False)
    lack = Host(machine.root).lack_of_target_core()
    assert lack is not None
    assert "fabrics.conf" in lack.cure


def test_ports_of_fibre_channel_and_rdma(machine: Machine) -> None:
    machine.fc_host("host3", "0x21000024ff314c48", "qla2xxx")
    place = "sys/class/infiniband/rxe0/ports/1"
    machine.write(f"{place}/gids/0", "fe80:0000:0000:0000:5054:00ff:fe12:3456")
    machine.write(f"{place}/state", "4: ACTIVE")
    host = Host(machine.root)
    assert list(host.fibre_channel()) == [("host3", "21:00:00:24:ff:31:4c:48", "online")]
    assert host.driver_of("host3") == "qla2xxx"
    assert list(host.rdma()) == [("rxe0/1", "0xfe80000000000000505400fffe123456", "active")]


def test_a_machine_without_any_has_none(machine: Machine) -> None:
    host = Host(machine.root)
    assert list(host.fibre_channel()) == list(host.rdma()) == []
    assert host.text("sys/none") is None


def test_colons() -> None:
    assert colons("0x21000024ff314c48") == "21:00:00:24:ff:31:4c:48"
