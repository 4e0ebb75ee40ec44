"""What belongs together because it is linked, directly or by others. Pure."""

from __future__ import annotations

from collections.abc import Iterable


class Families:
    """Names, at first each alone. Groups come in the order of their first members."""

    def __init__(self, names: Iterable[str]) -> None:
        self._leader = {name: name for name in names}

    def join(self, one: str, other: str) -> None:
        """From now on the two belong together. Names that are not there are left alone."""
        if one in self._leader and other in self._leader:
            self._leader[self._find(one)] = self._find(other)

    def groups(self) -> list[list[str]]:
        found: dict[str, list[str]] = {}
        for name in self._leader:
            found.setdefault(self._find(name), []).append(name)
        return list(found.values())

    def _find(self, name: str) -> str:
        leader = self._leader
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name
