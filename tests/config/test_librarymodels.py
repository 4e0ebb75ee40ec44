"""Models of libraries."""

from __future__ import annotations

import pytest

from tgtd.config.librarymodels import MODELS, Addresses
from tgtd.config.schema import TARGETS, Schema

KEYS = Schema(TARGETS).tree["properties"]["target"]["items"]["properties"]["lun"]["items"]["properties"]["library"][
    "properties"
]


def test_the_schema_names_them() -> None:
    assert KEYS["model"]["enum"] == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_as_libraries_of_that_kind_are(name: str) -> None:
    """As large as any of them fits, and names have the lengths of INQUIRY."""
    model = MODELS[name]
    assert not list(model.addresses.troubles(400, 30, 20))
    assert len(model.vendor) <= 8
    assert len(model.product) <= 16
    assert len(model.revision) <= 4


def test_what_does_not_fit() -> None:
    one = Addresses(robot=1, ports=10, drives=500, slots=1000)
    assert not list(one.troubles(64536, 490, 500))
    assert [kind for kind, _ in one.troubles(64537, 490, 500)] == ["slot"]
    assert [kind for kind, _ in one.troubles(1, 491, 501)] == ["drive", "slot"]
    assert not list(Addresses(robot=1, ports=1, drives=2, slots=3).troubles(1, 0, 1))
