from __future__ import annotations

import re

import pytest

from tests.hw.fabrics.conftest import Machine
from tgtd.hw.configfs.item import Folder, Link, Value
from tgtd.hw.fabrics import FABRICS
from tgtd.hw.fabrics.fabric import LINK, Port, initiator_of
from tgtd.hw.fabrics.host import Host


@pytest.mark.parametrize("word", FABRICS)
def test_a_port_without_luns_is_none(word: str) -> None:
    assert list(FABRICS[word].items(Port("x", {}))) == []


@pytest.mark.parametrize("word", FABRICS)
def test_every_item_comes_after_what_it_stands_on(word: str) -> None:
    made: set[str] = set()
    for item in FABRICS[word].items(Port("x", {0: "core/user_1/a", 7: "core/user_1/b"}, {"i": {0: 7}})):
        if isinstance(item, Folder):
            parts = item.path.split("/")
            above = "/".join(parts[:-2] if parts[-2:-1] in (["lun"], ["acls"]) else parts[:-1])
            assert above in made or above == ""
            made.add(item.path)
        elif isinstance(item, Link):
            assert item.path.rpartition("/")[0] in made
            assert item.to in made or item.to.startswith("core/")
    group = FABRICS[word].group("x")
    assert {f"{group}/lun/lun_0", f"{group}/lun/lun_7", f"{group}/acls/i/lun_0"} <= made


def test_an_initiator_sees_only_luns_that_are_there() -> None:
    port = Port("x", {1: "core/user_1/a"}, {"i": {0: 1, 1: 2}})
    links = {item.path: item.to for item in FABRICS["fcoe"].items(port) if isinstance(item, Link)}
    assert links == {
        f"fc/x/tpgt_1/lun/lun_1/{LINK}": "core/user_1/a",
        f"fc/x/tpgt_1/acls/i/lun_0/{LINK}": "fc/x/tpgt_1/lun/lun_1",
    }


@pytest.mark.parametrize("word", ["loopback", "vhost"])
def test_the_nexus_is_there_before_any_lun(word: str) -> None:
    items = list(FABRICS[word].items(Port("naa.5001405000000001", {0: "core/user_1/a"})))
    nexus = next(at for at, item in enumerate(items) if isinstance(item, Value))
    assert nexus < next(at for at, item in enumerate(items) if isinstance(item, Link))


@pytest.mark.parametrize("word", ["ibmvscsis", "qla2xxx", "srp"])
def test_the_port_is_enabled_last(word: str) -> None:
    last = list(FABRICS[word].items(Port("x", {0: "core/user_1/a"}, {})))[-1]
    assert isinstance(last, Value)
    assert last.path.endswith("/tpgt_1/enable")


def test_the_initiator_of_a_port_is_a_locally_assigned_name_of_its_own() -> None:
    one, two = initiator_of("naa.5001405000000001"), initiator_of("naa.5001405000000002")
    assert re.fullmatch(r"naa\.3[0-9a-f]{15}", one)
    assert one != two


@pytest.mark.parametrize("word", ["qla2xxx", "srp", "fcoe", "vhost"])
def test_a_missing_module_is_named(word: str, machine: Machine) -> None:
    fabric, host = FABRICS[word], Host(machine.root)
    lack = fabric.lack_of_module(host)
    assert lack is not None
    assert f"modprobe {fabric.module}" in lack.cure
    machine.make(f"sys/module/{fabric.module}")
    assert fabric.lack_of_module(host) is None


def test_without_the_target_core_nothing_else_is_asked(machine: Machine) -> None:
    (machine.root / "sys/module/target_core_user/x").unlink()
    (machine.root / "sys/module/target_core_user").rmdir()
    lack = FABRICS["ibmvscsis"].lack(Host(machine.root), "30000003")
    assert lack is not None
    assert "TCMU" in lack.cause
