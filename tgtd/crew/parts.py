"""A plan is shared out: what the main process does of it, and what each worker does. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tgtd.apply import Whereabouts, letting_go, whereabouts
from tgtd.config.model import Config, Target
from tgtd.config.plan import Plan, diff
from tgtd.config.steps import (
    AddPortal,
    AddTarget,
    ChangeDaemon,
    ChangeTarget,
    RemovePortal,
    RemoveTarget,
    Step,
)
from tgtd.crew.placement import Placement, moved


@dataclass(frozen=True, slots=True)
class Parts:
    """main: portals, and targets without their LUNs, which is what logins and discovery have to know. workers: by
    number, those that have something to do."""

    main: Plan
    workers: Mapping[int, Plan]

    def leaving(self, number: int) -> frozenset[Whereabouts]:
        """Media that other workers than this one let go of."""
        return frozenset(
            whereabouts(lun)
            for other, plan in self.workers.items()
            for lun in letting_go(plan)
            if other != number and lun.medium.path is not None
        )


def share(
    plan: Plan, running: Config | None, wanted: Config, before: Placement, after: Placement, crew: Iterable[int]
) -> Parts:
    """before, after: where the targets are, and are to be. crew: the workers there are."""
    moves = set(moved(before, after))
    main: list[Step] = []
    workers: dict[int, list[Step]] = {}
    for name in moves:
        assert running is not None
        workers.setdefault(before[name], []).append(RemoveTarget(running.targets[name]))
    for step in plan:
        main += _for_main(step)
        if isinstance(step, ChangeDaemon):
            for number in crew:
                workers.setdefault(number, []).append(step)
            continue
        concerned: str | None = getattr(step, "target", None)
        if concerned is not None and concerned not in moves:
            home = before[concerned] if isinstance(step, RemoveTarget) else after[concerned]
            workers.setdefault(home, []).append(step)
    for name in moves:
        workers.setdefault(after[name], []).append(AddTarget(wanted.targets[name]))
    return Parts(Plan(tuple(main)), {number: Plan(tuple(steps)) for number, steps in workers.items()})


def _for_main(step: Step) -> tuple[Step, ...]:
    match step:
        case AddTarget():
            return (AddTarget(_without_luns(step.new)),)
        case RemoveTarget():
            return (RemoveTarget(_without_luns(step.old)),)
        case ChangeTarget():
            return (ChangeTarget(_without_luns(step.old), _without_luns(step.new), step.fields),)
        case ChangeDaemon() | AddPortal() | RemovePortal():
            return (step,)
    return ()


def _without_luns(target: Target) -> Target:
    return dataclasses.replace(target, luns={}, shared={})


def outset(config: Config, placement: Placement, number: int) -> Plan:
    """From nothing to all that a worker has to serve."""
    mine = {name: target for name, target in config.targets.items() if placement[name] == number}
    plan = diff(None, dataclasses.replace(config, targets=mine))
    return Plan(tuple(step for step in plan if not isinstance(step, AddPortal)))
