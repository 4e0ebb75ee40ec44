"""tgtd.scsi.sbc.settings: who is told of changed settings, and what a medium cannot serve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.scsi.sbc.test_disk import make
from tests.scsi.workbench import IDENTITY
from tgtd.scsi.sense import CAPACITY_DATA_CHANGED, INQUIRY_DATA_CHANGED, MODE_PARAMETERS_CHANGED, Sense


@pytest.mark.parametrize(
    ("changes", "attentions"),
    [
        ({}, []),
        ({"write_cache": False}, [MODE_PARAMETERS_CHANGED]),
        ({"read_only": True}, [MODE_PARAMETERS_CHANGED]),
        ({"removable": True}, [INQUIRY_DATA_CHANGED]),
        ({"thin": False}, [INQUIRY_DATA_CHANGED]),
        ({"rotation_rate": 5400}, [INQUIRY_DATA_CHANGED]),
        ({"physical_block_size": 512}, [CAPACITY_DATA_CHANGED]),
        ({"thin": False, "read_only": True}, [INQUIRY_DATA_CHANGED, MODE_PARAMETERS_CHANGED]),
    ],
)
def test_changed_settings_are_told(changes: dict[str, Any], attentions: list[Sense]) -> None:
    bench, disk, _ = make()
    disk.change(replace(disk.settings, **changes), disk.identity)
    assert bench.itl().attentions == attentions


def test_changed_identity_is_told() -> None:
    bench, disk, _ = make()
    disk.change(disk.settings, replace(IDENTITY, product="OTHER"))
    assert bench.itl().attentions == [INQUIRY_DATA_CHANGED]


def test_settings_that_the_medium_cannot_serve() -> None:
    _, disk, medium = make()
    medium.block_sizes = (512,)
    with pytest.raises(ValueError, match="4096 bytes; use one of 512"):
        disk.change(replace(disk.settings, block_size=4096), disk.identity)
    assert disk.block_size == 512
    medium.block_sizes = (4096,)
    with pytest.raises(ValueError, match="use one of 4096"):
        disk.insert(medium)
    with pytest.raises(ValueError, match="use 512 or 4096"):
        disk.change(replace(disk.settings, block_size=520), disk.identity)
