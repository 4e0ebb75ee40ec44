from __future__ import annotations

import pytest

from tgtd.hw.configfs.item import Value, within


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("core/user_7/a.1/attrib/cmd_time_out", "core/user_7/a.1"),
        ("loopback/naa.5/tpgt_1/nexus", "loopback/naa.5/tpgt_1"),
    ],
)
def test_a_value_belongs_to_the_folder_that_somebody_made(path: str, folder: str) -> None:
    assert Value(path, "1").folder == folder


@pytest.mark.parametrize(
    ("value", "text", "holds"),
    [
        (Value("p", "1"), "1", True),
        (Value("p", "1"), "0", False),
        (Value("p", "1"), None, False),
        (Value("p", "S1", shows="Serial: S1"), "Serial: S1", True),
        (Value("p", "S1", shows="Serial: S1"), "S1", False),
        (Value("p", "naa.3", any=True), "naa.5", True),
        (Value("p", "naa.3", any=True), None, False),
        (Value("p", "naa.3", any=True), "", False),
    ],
)
def test_what_a_file_says_is_compared_as_the_kernel_words_it(value: Value, text: str | None, holds: bool) -> None:
    assert value.holds(text) is holds


def test_a_path_is_not_within_one_that_only_begins_alike() -> None:
    assert within("a/b", "a/b")
    assert within("a/b/c", "a/b")
    assert not within("a/bc", "a/b")
