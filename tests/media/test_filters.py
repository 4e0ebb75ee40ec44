"""tgtd.media.filters: the table, and what the contract says about it."""

from __future__ import annotations

from typing import Any

from tgtd.config.schema import TARGETS, Schema
from tgtd.media.failing import FailingMedium
from tgtd.media.filters import FILTERS, filtered
from tgtd.media.ram import RamMedium
from tgtd.media.slow import DISTRIBUTIONS, SlowMedium
from tgtd.media.touching import VERBS
from tgtd.scsi.layer import layers


def rows() -> dict[str, Any]:
    node = Schema(TARGETS).tree["properties"]["target"]["items"]["properties"]["lun"]["items"]["properties"]
    found: dict[str, Any] = node["medium"]["properties"]["filters"]["items"]["properties"]
    return found


def test_the_contract_has_the_same_words() -> None:
    assert set(rows()["type"]["enum"]) == set(FILTERS)
    assert set(rows()["distribution"]["enum"]) == set(DISTRIBUTIONS)
    assert set(rows()["verbs"]["items"]["enum"]) == set(VERBS)


def test_the_first_is_nearest_to_the_initiator() -> None:
    ram = RamMedium(1 << 20)
    slow = {"verbs": (), "delay": 0.0, "spread": 0.0, "distribution": "uniform"}
    failing = {"verbs": (), "error": "EIO", "offset": 0, "length": None, "probability": 1.0, "count": 0}
    top = filtered(ram, [("slow", slow), ("failing", failing)])
    assert [type(layer) for layer in layers(top)] == [SlowMedium, FailingMedium, RamMedium]
    assert filtered(ram, []) is ram
