"""LUNs that several targets offer: what they refer to must be there, and the ports of all must differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tgtd.config.build import Placed
from tgtd.config.families import Families
from tgtd.config.model import PLAIN_TAG, SharedLun, Target
from tgtd.config.positions import Path
from tgtd.config.problem import Problem


def shared_luns(targets: Sequence[Placed]) -> Iterator[Problem]:
    """All that is wrong with shared LUNs, whatever files they are in."""
    if not any(placed.shared for placed in targets):
        return
    known = {placed.target.name: placed.target for placed in targets}
    for placed in targets:
        first: dict[tuple[str, int], int] = {}
        for path, share in placed.shared:
            found = _dangling(placed, path, share, known)
            if found is not None:
                yield found
                continue
            other = first.setdefault((share.target, share.lun), share.number)
            if other != share.number:
                yield placed.document.problem(
                    (*path, "lun"), f"lun {other} of this target is the same one", "remove one of the two"
                )
    yield from _ports(targets)


def _dangling(placed: Placed, path: Path, share: SharedLun, known: Mapping[str, Target]) -> Problem | None:
    """A reference that leads to no LUN of another target."""
    owner = known.get(share.target)
    if owner is None:
        names = ", ".join(f'"{name}"' for name in sorted(known)[:3] if name != placed.target.name) or "no other"
        return placed.document.problem(
            (*path, "target"), f'there is no target "{share.target}"', f"name one that there is ({names})"
        )
    if owner.name == placed.target.name:
        return placed.document.problem(
            (*path, "target"),
            "this is the target itself",
            "name another target, or write [[target.map]] to show a lun under another number",
        )
    if share.lun in owner.luns:
        return None
    original = owner.shared.get(share.lun)
    if original is not None:
        return placed.document.problem(
            (*path, "lun"),
            f'lun {share.lun} of target "{owner.name}" is shared itself, see {original.origin}',
            f'name the lun itself: target = "{original.target}", lun = {original.lun}',
        )
    numbers = ", ".join(map(str, sorted(owner.luns)[:10])) or "none"
    return placed.document.problem(
        (*path, "lun"),
        f'target "{owner.name}" has no lun {share.lun}',
        f"name one that it has ({numbers}), or remove this table",
    )


def _ports(targets: Sequence[Placed]) -> Iterator[Problem]:
    """Targets that share LUNs are ports of one device, and initiators tell ports apart by number (SPC-5 4.7.4)."""
    families = Families(placed.target.name for placed in targets)
    for placed in targets:
        for share in placed.target.shared.values():
            families.join(placed.target.name, share.target)
    known = {placed.target.name: placed for placed in targets}
    for family in families.groups():
        if len(family) > 1:
            yield from _repeated([known[name] for name in family])


def _repeated(family: Iterable[Placed]) -> Iterator[Problem]:
    first: dict[int, Placed] = {}
    family = list(family)
    used = {tag for placed in family for tag, _ in _tags(placed)}
    for placed in family:
        for tag, path in _tags(placed):
            other = first.setdefault(tag, placed)
            if other is not placed:
                free = next(number for number in range(1, 65536) if number not in used)
                yield placed.document.problem(
                    path,
                    f'port group {tag} is also one of target "{other.target.name}" at {other.target.origin}, and the '
                    "two share luns, so initiators could not tell their ports apart",
                    f"give this target [{_TAG_PLACES[placed.target.fabric is None]}] with another tag, such as "
                    f"tag = {free}",
                )


_TAG_PLACES = {True: "[target.port_group]", False: "target.fabric"}
"""Where a target has its tag, by whether it is on the network."""


def _tags(placed: Placed) -> list[tuple[int, Path]]:
    """The tags of a target's port groups, and where they are written."""
    if not placed.target.groups:
        return [(PLAIN_TAG, placed.path)]
    tables = placed.document.data["target"][placed.path[1]].get("port_group", ())
    places = {
        table["tag"]: (*placed.path, "port_group", index, "tag")
        for index, table in enumerate(tables)
        if isinstance(table, dict) and isinstance(table.get("tag"), int)
    }
    return [(group.tag, places.get(group.tag, placed.path)) for group in placed.target.groups]
