"""Which keys and media go with which device type: what the schema of a LUN cannot say by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_ANY = frozenset({"number", "device", "medium", "serial", "wwid", "online"})


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """media: the types it can be on, the usual one first. keys: all that it has, or None: all but `alien`.
    reason: why others are not possible. filters: whether these may stand before its medium."""

    media: tuple[str, ...]
    keys: frozenset[str] | None = None
    alien: frozenset[str] = frozenset()
    reason: str = ""
    filters: bool = False


DEVICES: Mapping[str, DeviceKeys] = {
    "disk": DeviceKeys(
        ("file", "block", "ram", "null"),
        alien=frozenset({"command_timeout", "personality", "formats", "partitions", "library"}),
        reason="is not for disks",
        filters=True,
    ),
    "passthrough": DeviceKeys(
        ("scsi",),
        keys=_ANY | {"command_timeout"},
        reason="is for devices of our own making; a passthrough is what the real device is",
    ),
    "tape": DeviceKeys(
        ("tape",),
        keys=_ANY | {"personality", "formats", "partitions", "read_only", "vendor", "product", "revision"},
        reason="is not for tape drives",
    ),
    "changer": DeviceKeys(
        ("library",),
        keys=_ANY | {"library", "vendor", "product", "revision"},
        reason="is not for changers",
    ),
}


def misfits(
    device: str, table: Mapping[str, object], defaults: Mapping[str, object]
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What a LUN's table says that its device type cannot do: place in the table, problem, fix. A key that only says
    what its default is does no harm."""
    row = DEVICES[device]
    for key, value in table.items():
        if key in defaults and value == defaults[key]:
            continue
        if key in row.alien or (row.keys is not None and key not in row.keys):
            yield (key,), row.reason, f"remove {key}, or choose another device"
    medium = table.get("medium")
    if not isinstance(medium, Mapping):
        return
    if medium.get("filters") and not row.filters:
        yield ("medium", "filters"), f"filters are not possible before the medium of a {device}", "remove filters"
    kind = medium.get("type")
    if kind is not None and kind not in row.media:
        choices = ", ".join(f'"{each}"' for each in row.media)
        yield (
            ("medium", "type"),
            f'a {device} cannot be on a medium of type "{kind}"',
            f"write {'one of ' if len(row.media) > 1 else ''}{choices}, or choose another device",
        )
