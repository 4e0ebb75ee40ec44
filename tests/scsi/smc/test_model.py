"""Models of libraries: with as many elements as there may be, no two overlap."""

from __future__ import annotations

import pytest

from tgtd.config.schema import TARGETS, Schema
from tgtd.scsi.smc.model import MODELS

KEYS = Schema(TARGETS).tree["properties"]["target"]["items"]["properties"]["lun"]["items"]["properties"]["library"][
    "properties"
]


def test_the_schema_names_them() -> None:
    assert set(KEYS["model"]["enum"]) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_the_largest_fits(name: str) -> None:
    most = KEYS["slots"]["maximum"], KEYS["ports"]["maximum"], KEYS["drives"]["maxItems"]
    layout = MODELS[name].layout(*most)
    assert len(layout.addresses()) == sum(most) + 1
    assert len(MODELS[name].vendor) <= 8
    assert len(MODELS[name].product) <= 16
