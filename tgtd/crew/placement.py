"""Which worker process serves which target. Pure.

Targets that share a medium or a LUN stay together, and libraries with their drives. A target that has a place keeps it:
moving it would cost its initiators their sessions. What is new goes where the fewest are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tgtd.config.families import Families
from tgtd.config.model import Target

Placement = Mapping[str, int]
"""Target → number of its worker, from 1."""


def place(targets: Mapping[str, Target], before: Placement, count: int) -> dict[str, int]:
    """A place for each target, among `count` workers. before: where those are that run."""
    placed: dict[str, int] = {}
    load = Counter(dict.fromkeys(range(1, count + 1), 0))
    homeless: list[list[str]] = []
    for group in _together(targets.values()):
        homes = Counter(before[name] for name in group if name in before)
        if homes:
            home = min(homes, key=lambda number: (-homes[number], number))
            placed.update(dict.fromkeys(group, home))
            load[home] += len(group)
        else:
            homeless.append(group)
    for group in homeless:
        home = min(load, key=lambda number: (load[number], number))
        placed.update(dict.fromkeys(group, home))
        load[home] += len(group)
    return {name: placed[name] for name in targets}


def _together(targets: Iterable[Target]) -> list[list[str]]:
    """Groups of targets that belong together, in the order of their first members."""
    targets = list(targets)
    families = Families(target.name for target in targets)
    holder: dict[tuple[str, str], str] = {}
    for target in targets:
        for lun in target.luns.values():
            for drive in lun.library.drives if lun.library is not None else ():
                families.join(target.name, drive.target or target.name)
            if lun.medium.path is not None:
                families.join(target.name, holder.setdefault((lun.medium.type, lun.medium.path), target.name))
        for share in target.shared.values():
            families.join(target.name, share.target)
    return families.groups()


def moved(before: Placement, after: Placement) -> list[str]:
    """Targets that have a place and get another one."""
    return [name for name, number in after.items() if before.get(name, number) != number]
