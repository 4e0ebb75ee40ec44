"""tgtd.config.device: keys and media of each device type."""

from __future__ import annotations

import pytest

from tgtd.config.device import DEVICES, misfits
from tgtd.config.schema import TARGETS, Schema


def lun_schema() -> dict[str, object]:
    rows: dict[str, object] = Schema(TARGETS).tree["properties"]["target"]["items"]["properties"]["lun"]["items"][
        "properties"
    ]
    return rows


def test_the_table_names_what_the_schema_has() -> None:
    rows = lun_schema()
    assert set(DEVICES) == set(rows["device"]["enum"])  # type: ignore[index]
    assert {kind for row in DEVICES.values() for kind in row.media} == set(
        rows["medium"]["properties"]["type"]["enum"]  # type: ignore[index]
    )
    for row in DEVICES.values():
        assert (row.keys or set()) | row.alien <= set(rows)


@pytest.mark.parametrize(
    ("device", "table"),
    [
        ("disk", {"number": 1, "medium": {"type": "file"}, "read_only": True}),
        ("disk", {"medium": {}}),
        ("passthrough", {"number": 1, "medium": {"type": "scsi"}, "command_timeout": 5, "online": True, "thin": True}),
        ("disk", {"thin": False}),
    ],
)
def test_what_fits(device: str, table: dict[str, object]) -> None:
    assert not list(misfits(device, table, {"thin": True}))


@pytest.mark.parametrize(
    ("device", "table", "place"),
    [
        ("disk", {"command_timeout": 5}, ("command_timeout",)),
        ("disk", {"medium": {"type": "scsi"}}, ("medium", "type")),
        ("passthrough", {"read_only": True}, ("read_only",)),
        ("passthrough", {"vendor": "x"}, ("vendor",)),
        ("passthrough", {"medium": {"type": "file"}}, ("medium", "type")),
        ("passthrough", {"medium": {"type": "scsi", "filters": [{"type": "slow"}]}}, ("medium", "filters")),
    ],
)
def test_what_does_not(device: str, table: dict[str, object], place: tuple[str, ...]) -> None:
    ((found, problem, fix),) = misfits(device, table, {"thin": True})
    assert found == place
    assert problem
    assert place[-1] in fix or '"' in fix
