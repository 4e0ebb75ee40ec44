"""What devices count of their commands, for the administrator. Each type of device has some more of its own."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counters:
    """Plain counts since the device was made. errors: commands that failed; medium_errors: those of them that the
    medium is to blame for."""

    errors: int = 0
    medium_errors: int = 0

    def as_dict(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}
