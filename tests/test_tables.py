"""The tables of the grammar: every row of every device type is whole, unique, and as the standard has it."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import tgtd.scsi
from tgtd.scsi.command import ActionTable, Command, table
from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.reservation.types import CLASSES

GROUP_LENGTHS = {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}
"""CDB length by group code (SPC-5 4.2.5.1); group 3 says its length itself, 6 and 7 are the vendor's."""


def device_types() -> list[type[LogicalUnit]]:
    """Every kind of logical unit of the grammar."""
    for info in pkgutil.walk_packages(tgtd.scsi.__path__, "tgtd.scsi."):
        importlib.import_module(info.name)
    found: list[type[LogicalUnit]] = []
    waiting = list(LogicalUnit.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.rows and kind.__module__.startswith("tgtd.scsi.") and kind not in found:
            found.append(kind)
    return sorted(found, key=lambda kind: kind.__qualname__)


DEVICE_TYPES = device_types()
ROWS = [(kind, row) for kind in DEVICE_TYPES for row in kind.rows]
ROW_IDS = [f"{kind.__name__}-{row.name}" for kind, row in ROWS]


def places(kind: type[LogicalUnit]) -> dict[tuple[int, int | None], list[Command]]:
    """The rows by operation code and service action. Where there are several, `available` tells which holds."""
    found: dict[tuple[int, int | None], list[Command]] = {}
    for row in kind.rows:
        found.setdefault((row.opcode, row.action), []).append(row)
    return found


def test_there_are_device_types() -> None:
    assert {"Disk", "Controller", "AbsentUnit"} <= {kind.__name__ for kind in DEVICE_TYPES}


@pytest.mark.parametrize("kind", DEVICE_TYPES, ids=lambda kind: str(kind.__name__))
def test_command_table_is_whole(kind: type[LogicalUnit]) -> None:
    """Every operation code has an entry, whichever of its alternative rows holds."""
    for pick in (0, -1):
        rows = tuple(rows[pick] for rows in places(kind).values())
        entries = table(rows)
        assert len(entries) == 256
        assert [entry.opcode for entry in entries if entry is not None] == sorted({row.opcode for row in rows})
        for entry in entries:
            if isinstance(entry, ActionTable):
                assert all(row.action == action and row.opcode == entry.opcode for action, row in entry.rows.items())


@pytest.mark.parametrize("kind", DEVICE_TYPES, ids=lambda kind: str(kind.__name__))
def test_command_rows_are_unique(kind: type[LogicalUnit]) -> None:
    """One place, one name; two rows for one place differ by what makes them available."""
    found = places(kind)
    names = [{row.name for row in rows} for rows in found.values()]
    assert all(len(name) == 1 for name in names)
    assert len(set().union(*names)) == len(names)
    for rows in found.values():
        asked = [row.available for row in rows]
        assert len(rows) == 1 or (None not in asked and len(set(asked)) == len(asked))


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=ROW_IDS)
def test_command_row(row: Command) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9 ()/-]+", row.name), "the standard writes names in capitals"
    assert row.usage[0] == row.opcode
    if row.opcode == 0x7F:
        assert len(row.usage) >= 12
        assert row.usage[7] == len(row.usage) - 8
        assert int.from_bytes(row.usage[8:10], "big") == row.action
    else:
        assert len(row.usage) == GROUP_LENGTHS.get(row.opcode >> 5, len(row.usage))
        if row.action is not None:
            assert row.usage[1] & 0x1F == row.action
    classes = [row.reservation] if isinstance(row.reservation, str) else [row.reservation(bytes(16))]
    assert set(classes) <= CLASSES
    assert row.timeout > 0
    assert not (row.writes and not row.medium), "what writes needs a medium"
