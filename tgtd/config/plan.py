"""The difference between what runs and what is wanted, as ordered steps. Pure: looks at two Configs, no further.

Objects that a Loader did not make anew are the same objects, so comparing 10,000 LUNs costs little more than looking at
what changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeVar

from tgtd.config.address import clashes
from tgtd.config.model import Config, Lun, Portal, Target
from tgtd.config.problem import Problem
from tgtd.config.size import show_size
from tgtd.config.steps import (
    AddLun,
    AddPortal,
    AddTarget,
    ChangeDaemon,
    ChangeLun,
    ChangeTarget,
    GrowLun,
    RemoveLun,
    RemovePortal,
    RemoveTarget,
    ReplaceMedium,
    ShrinkLun,
    Step,
)

S = TypeVar("S")

_DAEMON_FIELDS = (
    "io_uring",
    "workers",
    "log_level",
    "log_format",
    "stop_timeout",
    "reload_debounce",
    "watch",
    "discovery",
    "limits",
)
_TARGET_FIELDS = (
    "alias",
    "transport",
    "portals",
    "groups",
    "fabric",
    "access",
    "redirect",
    "iscsi",
    "views",
    "shared",
    "online",
)
_LUN_FIELDS = (
    "identity",
    "write_cache",
    "physical_block_size",
    "read_only",
    "removable",
    "thin",
    "rotation_rate",
    "mode_page",
    "management",
    "pool_warning",
    "library",
    "online",
    "allow_shrink",
    "io_timeout",
    "io_timeout_policy",
    "command_timeout",
)
_MEDIUM_FIELDS = ("create", "filters")
"""Of a medium that stays open."""
_IS_ANOTHER = attrgetter("device", "personality", "formats", "partitions", "block_size")
"""What no LUN can change and remain itself: initiators have laid out data by it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they are to be done. Empty when nothing differs. sharers: by target and LUN, the
    targets that offer it too."""

    steps: tuple[Step, ...] = ()
    sharers: Mapping[tuple[str, int], tuple[str, ...]] = field(default_factory=dict, compare=False)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def disturbs(self, sessions: Mapping[str, Iterable[S]]) -> list[tuple[S, tuple[str, ...]]]:
        """Which live sessions notice something, and what. sessions: those there are, by the name of their target."""
        effects: dict[str, dict[str, None]] = {}
        for step in self.steps:
            target = getattr(step, "target", None)
            if target is not None and step.disturbing:
                for name in (target, *self.sharers.get((target, getattr(step, "lun", -1)), ())):
                    effects.setdefault(name, {}).update(dict.fromkeys(step.effects))
        return [(session, tuple(seen)) for target, seen in effects.items() for session in sessions.get(target, ())]

    def as_dict(self) -> dict[str, object]:
        """For JSON output."""
        return {
            "changes": [step.as_dict() for step in self.steps],
            "refusals": [problem.as_dict() for problem in refusals(self)],
        }


def diff(running: Config | None, wanted: Config) -> Plan:
    """The way from one to the other; from None: all there is to set up.

    Order: listeners that new ones clash with; new listeners; what is gone, as it lets go of files; what changes; what
    is new; listeners that are no longer needed.
    """
    had: Mapping[str, Target] = running.targets if running else {}
    want = wanted.targets
    first, added, last = _portals(had, want)
    removed: list[Step] = []
    changed: list[Step] = []
    new: list[Step] = []
    for name, target in want.items():
        old = had.get(name)
        if old is None:
            new.append(AddTarget(target))
        elif old is not target:
            _luns(name, old.luns, target.luns, removed, changed, new)
            fields = _differing(_TARGET_FIELDS, old, target)
            if fields:
                changed.append(ChangeTarget(old, target, fields))
    gone = [RemoveTarget(target) for name, target in had.items() if name not in want]
    daemon = _differing(_DAEMON_FIELDS, running.daemon, wanted.daemon) if running else ()
    if running and daemon:
        changed.append(ChangeDaemon(running.daemon, wanted.daemon, daemon))
    return Plan((*first, *added, *gone, *removed, *changed, *new, *last), _sharers(want))


def _sharers(targets: Mapping[str, Target]) -> dict[tuple[str, int], tuple[str, ...]]:
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for target in targets.values():
        for share in target.shared.values():
            found[share.target, share.lun] = (*found.get((share.target, share.lun), ()), target.name)
    return found


def _differing(fields: tuple[str, ...], old: object, new: object) -> tuple[str, ...]:
    if old is new:
        return ()
    return tuple(field for field in fields if getattr(old, field) != getattr(new, field))


def _portals(
    had: Mapping[str, Target], want: Mapping[str, Target]
) -> tuple[list[RemovePortal], list[AddPortal], list[RemovePortal]]:
    """Listeners to close first, because new ones clash with them; to open; to close at the end."""
    before, after = _listening(had), _listening(want)
    opened = after - before
    closed = before - after
    clashing = {portal for pair in clashes(opened | closed) for portal in pair} & closed if opened and closed else set()
    return (
        [RemovePortal(portal) for portal in _sorted(clashing)],
        [AddPortal(portal) for portal in _sorted(opened)],
        [RemovePortal(portal) for portal in _sorted(closed - clashing)],
    )


def _listening(targets: Mapping[str, Target]) -> set[Portal]:
    """By object first: thousands of targets share the same few."""
    return set({id(portal): portal for target in targets.values() for portal in target.portals}.values())


def _sorted(portals: Iterable[Portal]) -> list[Portal]:
    return sorted(portals, key=lambda portal: (portal.address, portal.port))


def _luns(
    target: str,
    had: Mapping[int, Lun],
    want: Mapping[int, Lun],
    removed: list[Step],
    changed: list[Step],
    new: list[Step],
) -> None:
    """Sorts what becomes of a target's LUNs into three lists."""
    removed += [RemoveLun(target, lun) for number, lun in had.items() if number not in want]
    for number, lun in want.items():
        old = had.get(number)
        if old is None:
            new.append(AddLun(target, lun))
        elif old is lun or old == lun:
            continue
        elif _IS_ANOTHER(old) != _IS_ANOTHER(lun):
            removed.append(RemoveLun(target, old))
            new.append(AddLun(target, lun))
        else:
            changed += _changes(target, old, lun)


def _changes(target: str, old: Lun, new: Lun) -> Iterator[Step]:
    """How one LUN becomes the other: its medium first."""
    before, after = old.medium, new.medium
    replaced = (before.type, before.path) != (after.type, after.path) or before.way != after.way
    replaced = replaced or (before.size is None) != (after.size is None)
    replaced = replaced or (old.protection, old.protection_path) != (new.protection, new.protection_path)
    if replaced:
        yield ReplaceMedium(target, old, new)
    elif before.size is not None and after.size is not None and before.size != after.size:
        yield (GrowLun if after.size > before.size else ShrinkLun)(target, old, new)
    fields = _differing(_LUN_FIELDS, old, new)
    if not replaced:
        fields += tuple(f"medium.{key}" for key in _differing(_MEDIUM_FIELDS, before, after))
    if fields:
        yield ChangeLun(target, old, new, fields)


def refusals(plan: Plan) -> tuple[Problem, ...]:
    """Why a plan may not be carried out; empty when it may."""
    return tuple(
        _no_shrinking(step) for step in plan.steps if isinstance(step, ShrinkLun) and not step.new.allow_shrink
    )


def _no_shrinking(step: ShrinkLun) -> Problem:
    old, new = show_size(step.old.medium.size or 0), show_size(step.new.medium.size or 0)
    origin = step.new.origin
    return Problem(
        origin.file,
        origin.line,
        origin.column,
        f'target "{step.target}" lun {step.lun}',
        "medium.size",
        f"{new} is less than the {old} that initiators know: what lies beyond would be lost",
        f'write size = "{old}", or allow_shrink = true if that is meant',
    )
