"""What no value shows by itself: two of something where there may be one. Looks at where media are, never into them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from tgtd.config.address import clashes, parse_portal
from tgtd.config.bays import served
from tgtd.config.build import Placed
from tgtd.config.model import Lun, Portal
from tgtd.config.ports import on_fabrics
from tgtd.config.positions import Path
from tgtd.config.problem import Mistake, Problem
from tgtd.config.sharing import shared_luns


def repeated_numbers(placed: Placed) -> Iterator[Problem]:
    """LUNs of one target with the same number. Concerns one file only."""
    written = [(path, lun.number) for path, lun in placed.luns] + [(path, lun.number) for path, lun in placed.shared]
    if len(written) == len(placed.target.luns.keys() | placed.target.shared.keys()):
        return
    first: dict[int, Path] = {}
    for path, number in written:
        if number in first:
            there = placed.document.origin(first[number])
            yield placed.document.problem(
                (*path, "number"),
                f"the target has another lun {number}, at {there}",
                f"choose a free number, such as {_free(placed)}",
            )
        else:
            first[number] = path


def _free(placed: Placed) -> int:
    taken = placed.target.luns.keys() | placed.target.shared.keys()
    return next((number for number in range(1, 16384) if number not in taken), 0)


def crosscheck(targets: Sequence[Placed]) -> Iterator[Problem]:
    """All that concerns several targets, whatever files they are in."""
    yield from _names(targets)
    yield from _portals(targets)
    yield from _twice(targets, "serial", lambda lun: lun.identity.serial, "serial number")
    yield from _twice(targets, "wwid", lambda lun: lun.identity.wwid, "world wide id")
    yield from _shared_media(targets)
    yield from shared_luns(targets)
    yield from on_fabrics(targets)
    yield from served(targets)
    yield from _borrowed(targets)


def _names(targets: Iterable[Placed]) -> Iterator[Problem]:
    first: dict[str, Placed] = {}
    for placed in targets:
        name = placed.target.name
        if name and name in first:
            yield placed.document.problem(
                (*placed.path, "name"),
                f"another target has this name, at {first[name].target.origin}",
                "choose another name, or remove one of the two",
            )
        first.setdefault(name, placed)


def _portals(targets: Sequence[Placed]) -> Iterator[Problem]:
    # A file that is wrong may have the default portals only because its own were not understood.
    targets = [placed for placed in targets if not placed.document.problems or _written_portals(placed)]
    portals = {id(portal): portal for placed in targets for portal in placed.target.portals}
    wildcards: dict[Portal, set[Portal]] = {}
    for wildcard, portal in clashes(portals.values()):
        wildcards.setdefault(wildcard, set()).add(portal)
    for wildcard, particulars in wildcards.items():
        holder = next(placed for placed in targets if wildcard in placed.target.portals)
        for placed in targets:
            for portal in particulars.intersection(placed.target.portals):
                yield placed.document.problem(
                    _portal_path(placed, portal),
                    f'{portal} is covered by {wildcard} of target "{holder.target.name}", so only one could listen',
                    f"write {wildcard} here too, or particular addresses there",
                )


def _portal_path(placed: Placed, portal: Portal) -> Path:
    """Where the portal stands in the file; the place of the whole array when that is the default."""
    for path, text in _written_portals(placed):
        try:
            if parse_portal(str(text)) == portal:
                return path
        except Mistake:
            continue
    return (*placed.path, "portals")


def _written_portals(placed: Placed) -> list[tuple[Path, Any]]:
    """The target's portals as they stand in its file, each with its place; empty when there are none."""
    table = placed.document.data["target"][placed.path[1]]
    groups = table.get("port_group")
    found = [((*placed.path, "portals"), table.get("portals"))]
    for index, group in enumerate(groups if isinstance(groups, list) else ()):
        if isinstance(group, dict):
            found.append(((*placed.path, "port_group", index, "portals"), group.get("portals")))
    return [
        ((*path, index), text) for path, texts in found if isinstance(texts, list) for index, text in enumerate(texts)
    ]


def _twice(targets: Iterable[Placed], key: str, value: Callable[[Lun], Hashable], what: str) -> Iterator[Problem]:
    first: dict[Hashable, Lun] = {}
    for placed in targets:
        for path, lun in placed.luns:
            found = value(lun)
            if found is None:
                continue
            if found in first:
                yield placed.document.problem(
                    (*path, key),
                    f"another lun has this {what}, at {first[found].origin}",
                    "give each its own, or leave it out to have one derived",
                )
            else:
                first[found] = lun


def _shared_media(targets: Iterable[Placed]) -> Iterator[Problem]:
    """Two LUNs on one file or block device, under whatever names. Readers alone may share."""
    first: dict[Hashable, Lun] = {}
    index = _Whereabouts()
    for placed in targets:
        for path, lun in placed.luns:
            if lun.protection_path is not None:
                yield from _own(placed, path, lun, first, index.of(lun.protection_path))
            yield from _own_header(placed, path, lun, first, index)
            if lun.medium.path is None:
                continue
            identity = index.of(lun.medium.path)
            other = first.setdefault(identity, lun)
            if other is lun or (other.read_only and lun.read_only):
                continue
            alias = "" if other.medium.path == lun.medium.path else f", which calls it {other.medium.path}"
            yield placed.document.problem(
                (*path, "medium", "path"),
                f"another lun is on {lun.medium.path}, at {other.origin}{alias}",
                "give each lun its own (or make both read_only): two writers destroy each other's data",
            )


def _own(placed: Placed, path: Path, lun: Lun, first: dict[Hashable, Lun], identity: Hashable) -> Iterator[Problem]:
    """Nothing else is kept in the file of a LUN's protection information."""
    if identity in first:
        yield placed.document.problem(
            (*path, "protection_path") if lun.protection_path != f"{lun.medium.path}.pi" else (*path, "protection"),
            f"{lun.protection_path} is in use by a lun, at {first[identity].origin}",
            "give the protection information a file of its own: protection_path",
        )
    first[identity] = lun


def _own_header(
    placed: Placed, path: Path, lun: Lun, first: dict[Hashable, Lun], index: _Whereabouts
) -> Iterator[Problem]:
    """Nothing else is kept in the file of an encrypted disk's header."""
    wanted = lun.medium.encryption
    if wanted is None or wanted.header is None:
        return
    identity = index.of(wanted.header)
    other = lun if lun.medium.path and index.of(lun.medium.path) == identity else first.get(identity)
    if other is not None:
        yield placed.document.problem(
            (*path, "medium", "encryption"),
            f"{wanted.header} is in use by a lun, at {other.origin}",
            "give the header a file of its own: header",
        )
    first[identity] = lun


def _borrowed(targets: Iterable[Placed]) -> Iterator[Problem]:
    """Tape drives that have a cartridge out of the directory of a library, by whatever name."""
    index = _Whereabouts()
    luns = [(placed, path, lun) for placed in targets for path, lun in placed.luns if lun.medium.path is not None]
    shelves = {index.of(lun.medium.path or ""): lun for _, _, lun in luns if lun.device == "changer"}
    for placed, path, lun in luns if shelves else ():
        if lun.device != "tape" or lun.medium.path is None:
            continue
        homes = {os.path.dirname(name) for name in (lun.medium.path, os.path.realpath(lun.medium.path))}
        holder = next((shelves[place] for place in map(index.of, homes) if place in shelves), None)
        if holder is not None:
            yield placed.document.problem(
                (*path, "medium", "path"),
                f"{lun.medium.path} is a cartridge of the library at {holder.origin}",
                "let the robot bring it to an empty drive, or move the file elsewhere",
            )


class _Whereabouts:
    """What a path leads to, links followed, whether it exists or not. Looks each directory up once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {"/": "/"}

    def of(self, path: str) -> Hashable:
        try:
            status = os.stat(path)
        except OSError:
            return os.path.realpath(path) if ".." in path else self._resolved(path)
        if stat.S_ISBLK(status.st_mode):
            return "device", status.st_rdev
        return "file", status.st_dev, status.st_ino

    def _resolved(self, path: str) -> str:
        """What realpath says. The files of a LUN farm share directories; this asks for each once."""
        known = self._known.get(path)
        if known is None:
            parent, name = os.path.split(path.rstrip("/") or "/")
            known = os.path.join(self._resolved(parent), name)
            if os.path.islink(known):
                known = os.path.realpath(known)
            self._known[path] = known
        return known
