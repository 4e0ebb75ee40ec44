"""Filters of a medium: from tables to options, with blocks turned into bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tgtd.config.model import Filter
from tgtd.config.schema import Section

Table = Mapping[str, Any]


def _verbs(table: Table) -> dict[str, object]:
    return {"verbs": tuple(verb for verb in table.get("verbs", ()) if verb is not None)}


def _slow(table: Table, block: int) -> dict[str, object]:
    return {**_verbs(table), **{key: table[key] for key in ("delay", "spread", "distribution")}}


def _failing(table: Table, block: int) -> dict[str, object]:
    return {
        **_verbs(table),
        **{key: table[key] for key in ("error", "probability", "count")},
        "offset": table["lba"] * block,
        "length": table["blocks"] * block or None,
    }


def _stalled(table: Table, block: int) -> dict[str, object]:
    return {**_verbs(table), "hanging": table["hanging"]}


_OPTIONS: Mapping[str, Callable[[Table, int], dict[str, object]]] = {
    "slow": _slow,
    "failing": _failing,
    "readonly": lambda table, block: {},
    "stalled": _stalled,
}


def filters_of(section: Section, tables: Iterable[Table | None], block: int) -> tuple[Filter, ...]:
    """section: the contract's, for the defaults. tables: as written; None where one was wrong. block: bytes."""
    return tuple(
        Filter(table["type"], _OPTIONS[table["type"]]({**section.defaults, **table}, block))
        for table in tables
        if table is not None and "type" in table
    )
