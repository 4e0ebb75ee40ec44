"""How a medium is to be opened."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import tgtd.media
from tgtd.media.options import PLAIN, OpenOptions


def test_every_option_is_heeded_by_some_medium() -> None:
    """One that nobody reads would be a key of the configuration that does nothing."""
    read = {
        node.attr
        for path in Path(tgtd.media.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "options"
    }
    assert {field.name for field in dataclasses.fields(OpenOptions)} <= read


def test_plain_makes_nothing_and_changes_no_size() -> None:
    assert OpenOptions(size=None, create=False, writable=True, direct=False, sync=False, preallocate=False) == PLAIN
