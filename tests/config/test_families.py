"""tgtd.config.families: who is linked belongs together."""

from __future__ import annotations

from tgtd.config.families import Families


def test_links_join_groups() -> None:
    families = Families("abcdef")
    for one, other in ("ab", "cd", "bd", "ba", "ex"):
        families.join(one, other)
    assert families.groups() == [["a", "b", "c", "d"], ["e"], ["f"]]
