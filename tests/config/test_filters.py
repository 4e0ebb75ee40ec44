"""tgtd.config.filters: from tables to options."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inside import inside
from tgtd.config.model import Filter
from tgtd.config.problem import ConfigErrors


def filters(place: Path, text: str, more: str = "") -> tuple[Filter, ...]:
    with inside(place) as site:
        site.write(site.lun(1, medium=f", filters = [{text}]", more=more))
        (target,) = site.loader.load().targets.values()
        return target.luns[1].medium.filters


def test_every_type(tmp_path: Path) -> None:
    text = (
        '{ type = "slow", delay = 1, spread = 0.5, verbs = ["read"] }, { type = "readonly" }, { type = "stalled" }, '
        '{ type = "failing", lba = 10, blocks = 2, error = "ENOSPC", count = 3 }'
    )
    slow, readonly, stalled, failing = filters(tmp_path, text, "block_size = 4096")
    assert (slow.type, slow.options) == (
        "slow",
        {"verbs": ("read",), "delay": 1, "spread": 0.5, "distribution": "uniform"},
    )
    assert (readonly.type, readonly.options) == ("readonly", {})
    assert (stalled.type, stalled.options) == ("stalled", {"verbs": (), "hanging": False})
    assert failing.options == {
        "verbs": (),
        "error": "ENOSPC",
        "offset": 40960,
        "length": 8192,
        "probability": 1,
        "count": 3,
    }


def test_to_the_end(tmp_path: Path) -> None:
    (failing,) = filters(tmp_path, '{ type = "failing", lba = 10 }')
    assert (failing.options["offset"], failing.options["length"]) == (5120, None)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{ type = "slow" }', "delay"),
        ('{ type = "fast" }', "slow"),
        ('{ type = "readonly", delay = 1 }', "delay"),
        ('{ type = "stalled", count = 1 }', "count"),
        ('{ type = "slow", delay = -1 }', "delay"),
        ('{ type = "failing", probability = 2 }', "probability"),
        ('{ type = "failing", verbs = ["erase"] }', "verbs"),
        ("{ delay = 1 }", "type"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        filters(tmp_path, text)
    told = "\n".join(map(str, caught.value.problems))
    assert word in told
    assert "filters" in told
