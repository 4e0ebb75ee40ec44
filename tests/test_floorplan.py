"""ARCHITECTURE.md names what there is: files, folders, and names of the code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
SPANS = {re.split(r"[(\[]", span)[0] for span in re.findall(r"`([^`\s]+)`", TEXT)}
"""What stands in code spans, without arguments."""
FILES = {span for span in SPANS if span.endswith((".py", "/")) and "*" not in span}


def test_its_files_are_there() -> None:
    """By the end of the path, as sections speak of one room."""
    rooms = [ROOT / name for name in ("tgtd", "tests", "bench")]
    there = {f"/{path.relative_to(ROOT)}" for room in rooms for path in (room, *room.rglob("*"))}
    missing = {span for span in FILES if not any(path.endswith(f"/{span.rstrip('/')}") for path in there)}
    assert not missing


def test_its_names_are_in_the_code() -> None:
    code = {word for path in (ROOT / "tgtd").rglob("*.py") for word in re.findall(r"\w+", path.read_text())}
    names = {word for span in SPANS - FILES if re.fullmatch(r"[A-Za-z_][\w.]*\w", span) for word in span.split(".")}
    assert {"Task", "LunNexus", "execute"} <= names
    assert not names - code - {"toml"}


def test_every_file_of_the_composition_is_in_it() -> None:
    unnamed = {path.name for path in (ROOT / "tgtd").glob("*.py")} - FILES - {"__init__.py"}
    assert not unnamed
