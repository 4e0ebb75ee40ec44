"""tgtd.devices: the configuration's kinds and the table are the same, and each is made without its medium."""

from __future__ import annotations

import dataclasses

import pytest

from tests.scsi.workbench import IDENTITY, ManualLane
from tgtd.config import model
from tgtd.config.librarymodels import MODELS
from tgtd.config.schema import TARGETS, Schema
from tgtd.devices import KINDS, personality_of
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.ssc.personality import Density


def test_every_kind_of_the_schema_has_a_row() -> None:
    lun = Schema(TARGETS).tree["properties"]["target"]["items"]["properties"]["lun"]["items"]
    assert set(lun["properties"]["device"]["enum"]) == set(KINDS)


def wish(device: str) -> model.Lun:
    identity = model.IdentityWish("tgtd", device, "0001", None, None)
    medium = model.Medium("null", size=1 << 20)
    return model.Lun(
        number=1,
        device=device,
        personality="lto-8",
        medium=medium,
        identity=identity,
        write_cache=True,
        block_size=512,
        physical_block_size=4096,
        read_only=False,
        removable=False,
        thin=True,
        rotation_rate=0,
        mode_page=(),
        management=(),
        library=model.Library((model.DriveName(1),), 4, 1, "generic", MODELS["generic"].addresses),
        online=True,
        allow_shrink=False,
        io_timeout=0,
        io_timeout_policy="hold",
        command_timeout=60,
        origin=model.Origin("test.toml", 1, 1),
    )


@pytest.mark.parametrize("name", KINDS)
def test_a_device_begins_without_a_medium(name: str) -> None:
    kind = KINDS[name]
    device = kind.make(IDENTITY, BufferPool(1 << 20), ManualLane(), kind.settings(wish(name)))
    assert device.medium is None
    assert device.obstacle is not None
    assert device.offline() is None
    assert device.last_medium_error is None
    assert device.failed_self_test() is None
    assert device.counters.as_dict()["medium_errors"] == 0


def test_a_tape_drive_with_formats_of_its_own() -> None:
    named = personality_of(wish("tape"))
    assert (named.name, named.partitions, len(named.densities)) == ("lto-8", 4, 2)
    assert personality_of(dataclasses.replace(wish("tape"), partitions=2)).partitions == 2
    formats = (
        model.TapeFormat(0x52, "B", 5 * 10**11, True, True, "INSIC", "two", 11800, 127, 896, 7),
        model.TapeFormat(0x51, "A", 3 * 10**11, False, False, "", "", 0, 127, 0, 0),
    )
    own = personality_of(dataclasses.replace(wish("tape"), formats=formats))
    assert own.densities[0] == Density(0x52, 11800, 127, 896, 500_000, "INSIC", "B", "two", 7, encrypted=True)
    assert (own.writes, own.partitions, own.density(0x51)) == (frozenset({0x52}), 4, own.densities[1])
