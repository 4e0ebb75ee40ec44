"""The way back from a step of a plan. Pure."""

from __future__ import annotations

from tgtd.config.steps import (
    AddLun,
    AddTarget,
    ChangeDaemon,
    ChangeLun,
    ChangeTarget,
    GrowLun,
    RemoveLun,
    RemoveTarget,
    ReplaceMedium,
    ShrinkLun,
    Step,
)


def inverse(step: Step) -> Step:
    """The step that takes another one back. Raises TypeError for portals, whose listeners come back otherwise."""
    match step:
        case AddTarget():
            return RemoveTarget(step.new)
        case RemoveTarget():
            return AddTarget(step.old)
        case AddLun():
            return RemoveLun(step.target, step.new)
        case RemoveLun():
            return AddLun(step.target, step.old)
        case ChangeTarget():
            return ChangeTarget(step.new, step.old, step.fields)
        case ChangeLun():
            return ChangeLun(step.target, step.new, step.old, step.fields)
        case GrowLun() | ShrinkLun():
            return GrowLun(step.target, step.new, step.old)
        case ReplaceMedium():
            return ReplaceMedium(step.target, step.new, step.old)
        case ChangeDaemon():
            return ChangeDaemon(step.new, step.old, step.fields)
    raise TypeError(f"{type(step).__name__} has no inverse")
