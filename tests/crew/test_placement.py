"""Who lives where: sticky, together where media are shared, and even."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from unittest.mock import Mock

from hypothesis import given
from hypothesis import strategies as st

from tests.crew.fakes import config, iqn
from tgtd.config.librarymodels import MODELS
from tgtd.config.model import DriveName, Library, Origin, SharedLun, Target
from tgtd.crew.placement import moved, place


def test_new_targets_go_where_the_fewest_are(tmp_path: Path) -> None:
    targets = config(tmp_path, ("a", ["1"]), ("b", ["2"]), ("c", ["3"]), ("d", ["4"])).targets
    assert Counter(place(targets, {}, 2).values()) == {1: 2, 2: 2}


def test_who_has_a_place_keeps_it(tmp_path: Path) -> None:
    targets = config(tmp_path, ("a", ["1"]), ("b", ["2"]), ("c", ["3"])).targets
    before = {iqn("a"): 2, iqn("b"): 2}
    after = place(targets, before, 2)
    assert after == {iqn("a"): 2, iqn("b"): 2, iqn("c"): 1}
    assert moved(before, after) == []


def test_who_shares_a_file_lives_together(tmp_path: Path) -> None:
    """Two files may not name one file; a target that gets a second one that is elsewhere makes it move."""
    targets = dict(config(tmp_path, ("a", ["1"]), ("b", ["2"]), ("c", ["3"])).targets)
    targets[iqn("c")] = _with_luns_of(targets[iqn("c")], targets[iqn("b")])
    before = {iqn("a"): 1, iqn("b"): 2, iqn("c"): 1}
    after = place(targets, before, 2)
    assert after[iqn("b")] == after[iqn("c")]
    assert len(moved(before, after)) == 1


def _with_luns_of(target: Target, other: Target) -> Target:
    return dataclasses.replace(target, luns=other.luns)


@given(st.integers(1, 5), st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 5)), st.integers(0, 8))
def test_nobody_moves_without_need(count: int, homes: dict[str, int], more: int) -> None:
    targets = {name: _BARE[name] for name in [*homes, *"ijklmnop"[:more]]}
    before = {name: min(number, count) for name, number in homes.items()}
    after = place(targets, before, count)
    assert after.keys() == targets.keys()
    assert moved(before, after) == []
    assert all(1 <= number <= count for number in after.values())


def _bare(name: str) -> Target:
    target = Mock(spec=Target)
    target.shared = {}
    target.name = name
    target.luns = {}
    return target


_BARE = {name: _bare(name) for name in "abcdefghijklmnop"}


def test_who_shares_a_lun_lives_together(tmp_path: Path) -> None:
    targets = dict(config(tmp_path, ("a", ["1"]), ("b", ["2"]), ("c", ["3"])).targets)
    share = SharedLun(5, iqn("b"), 1, Origin("c.toml", 1, 1))
    targets[iqn("c")] = dataclasses.replace(targets[iqn("c")], shared={5: share})
    before = {iqn("a"): 1, iqn("b"): 2, iqn("c"): 1}
    after = place(targets, before, 2)
    assert after[iqn("b")] == after[iqn("c")]
    assert len(moved(before, after)) == 1
    assert place(targets, {}, 2)[iqn("c")] == place(targets, {}, 2)[iqn("b")]


def test_a_library_lives_where_its_drives_are(tmp_path: Path) -> None:
    targets = dict(config(tmp_path, ("a", ["1"]), ("b", ["2"]), ("c", ["3"])).targets)
    drives = (DriveName(1), DriveName(1, iqn("b")))
    library = Library(drives, 4, 0, "generic", MODELS["generic"].addresses)
    changer = dataclasses.replace(targets[iqn("c")].luns[1], library=library)
    targets[iqn("c")] = dataclasses.replace(targets[iqn("c")], luns={1: changer})
    after = place(targets, {iqn("a"): 1, iqn("b"): 2, iqn("c"): 1}, 2)
    assert after[iqn("b")] == after[iqn("c")]
