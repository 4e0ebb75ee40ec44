"""From what is there to what is wished, as ordered steps. Pure.

What is gone goes first, from the leaves to the root, with what depends on it; then what is missing is made in the
wish's own order. What is as it is wished is not touched, and nothing that is not ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tgtd.hw.configfs.item import CORE, Folder, KernelLayout, Link, Value, within
from tgtd.hw.configfs.present import Owned, Present


@dataclass(frozen=True, slots=True)
class MakeFolder:
    path: str


@dataclass(frozen=True, slots=True)
class RemoveFolder:
    path: str


@dataclass(frozen=True, slots=True)
class Write:
    """before: what the file said; None: nobody knows."""

    path: str
    text: str
    before: str | None = None


@dataclass(frozen=True, slots=True)
class MakeLink:
    path: str
    to: str


@dataclass(frozen=True, slots=True)
class RemoveLink:
    path: str
    to: str


KernelStep = MakeFolder | RemoveFolder | Write | MakeLink | RemoveLink


@dataclass(frozen=True, slots=True)
class Steps:
    """In the order in which they are to be done: what initiators lose, what becomes of the backstores, what initiators
    get. Between the first two, the rings of `doomed` are let go of; before the last, all rings have to be served."""

    leave: tuple[KernelStep, ...] = ()
    stores: tuple[KernelStep, ...] = ()
    join: tuple[KernelStep, ...] = ()

    def __iter__(self) -> Iterator[KernelStep]:
        yield from self.leave
        yield from self.stores
        yield from self.join

    def __bool__(self) -> bool:
        return bool(self.leave or self.stores or self.join)

    @property
    def doomed(self) -> frozenset[str]:
        """Folders of backstores that go, be it to be made anew."""
        return frozenset(step.path for step in self.stores if isinstance(step, RemoveFolder))


def difference(wish: KernelLayout, present: Present, owned: Owned) -> Steps:
    """The way from what is there to what is wished; empty when nothing differs."""
    return _Difference(wish, present, owned).steps()


class _Difference:
    def __init__(self, wish: KernelLayout, present: Present, owned: Owned) -> None:
        self._wish = wish
        self._present = present
        self._folders = {item.path for item in wish if isinstance(item, Folder)}
        self._links = {item.path: item.to for item in wish if isinstance(item, Link)}
        self._values = [item for item in wish if isinstance(item, Value)]
        self._doomed = set(owned.folders - self._folders)
        self._cut = {path for path in owned.links if self._links.get(path) != present.links[path]}
        self._cut |= {path for path, to in self._links.items() if present.links.get(path, to) != to}

    def steps(self) -> Steps:
        for value in self._values:
            if value.folder in self._present.folders and not value.once and not self._holds(value):
                if value.vital:
                    self._doomed.add(value.folder)
                elif value.settled:
                    self._cut |= self._leading_to(value.folder)
        self._spread()
        away, made = list(self._away()), list(self._made())
        return Steps(
            tuple(step for step in away if not within(step.path, CORE)),
            tuple(step for step in away + made if within(step.path, CORE)),
            tuple(step for step in made if not within(step.path, CORE)),
        )

    def _holds(self, value: Value) -> bool:
        return value.holds(self._present.values.get(value.path))

    def _leading_to(self, folder: str) -> set[str]:
        return {path for path, to in self._present.links.items() if within(to, folder)}

    def _spread(self) -> None:
        """With a folder goes all that is in it or leads to it, and with a LUN's link what is mapped to the LUN."""
        before = -1
        while before != len(self._doomed) + len(self._cut):
            before = len(self._doomed) + len(self._cut)
            for folder in list(self._doomed):
                self._doomed |= {path for path in self._present.folders if within(path, folder)}
                self._cut |= {path for path in self._present.links if within(path, folder)}
                self._cut |= self._leading_to(folder)
            for path in list(self._cut):
                self._cut |= self._leading_to(path.rpartition("/")[0])

    def _away(self) -> Iterator[KernelStep]:
        for group in sorted(self._doomed):
            if self._present.values.get(f"{group}/enable") == "1" and not within(group, CORE):
                yield Write(f"{group}/enable", "0", "1")
        cut: list[KernelStep] = [RemoveLink(path, self._present.links[path]) for path in self._cut]
        gone: list[KernelStep] = [RemoveFolder(path) for path in self._doomed]
        yield from sorted(cut + gone, key=_leaving)

    def _made(self) -> Iterator[KernelStep]:
        there = self._present.folders - self._doomed
        linked = self._present.links.keys() - self._cut
        for item in dict.fromkeys(self._wish):
            if isinstance(item, Folder):
                if item.path not in there:
                    yield MakeFolder(item.path)
            elif isinstance(item, Link):
                if item.path not in linked:
                    yield MakeLink(item.path, item.to)
            elif item.told:
                continue
            elif item.folder not in there and item.folder in self._folders:
                yield Write(item.path, item.text)
            elif not item.once and not self._holds(item):
                yield Write(item.path, item.text, self._present.values.get(item.path))


def _leaving(step: KernelStep) -> tuple[bool, bool, int, bool, str]:
    """Fabrics before backstores, what initiators are mapped to before the LUNs, the deepest first."""
    parts = step.path.split("/")
    links = isinstance(step, RemoveLink)
    return parts[0] == CORE, not (len(parts) > 3 and parts[3] == "acls"), -len(parts), not links, step.path
