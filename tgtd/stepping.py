"""The steps of a plan, as they are carried out on the running tree: one after the other, within one turn of the loop.

Media that steps need were opened before (apply.py); what is left of that belongs to whoever began it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from tgtd import translate
from tgtd.config import model
from tgtd.config.inverse import inverse
from tgtd.config.plan import Plan
from tgtd.config.steps import (
    AddLun,
    AddTarget,
    ChangeDaemon,
    ChangeLun,
    ChangeTarget,
    GrowLun,
    LunStep,
    RemoveLun,
    RemoveTarget,
    ReplaceMedium,
    ShrinkLun,
    Step,
)
from tgtd.opening import Opening
from tgtd.scsi.layer import bottom
from tgtd.scsi.lun import Identity
from tgtd.tree import LiveTarget, Tree
from tgtd.units import Unit, UnitState

log = logging.getLogger(__name__)

UnitKey = tuple[str, int]
"""Target and LUN."""


class Stepping:
    """openings: media that steps need; those that are taken leave it. all_closed: called when the last of the media
    that steps take away is closed.

    closing: how many of those are still open.
    """

    def __init__(
        self,
        tree: Tree,
        openings: dict[UnitKey, Opening],
        daemon_changed: Callable[[model.Daemon], None],
        all_closed: Callable[[], None],
    ) -> None:
        self._tree = tree
        self._openings = openings
        self._daemon_changed = daemon_changed
        self._all_closed = all_closed
        self.closing = 0
        self._announce: dict[LiveTarget, None] = {}
        self._recheck: dict[LiveTarget, None] = {}
        self._touched: dict[Unit, None] = {}
        self._waiting: dict[Unit, None] = {}  # units whose media this plan takes from others
        self._handlers: Mapping[type[Step], Callable[[Any], None]] = {
            AddTarget: self._add_target,
            RemoveTarget: self._remove_target,
            ChangeTarget: self._change_target,
            AddLun: self._add_lun,
            RemoveLun: self._remove_lun,
            ChangeLun: self._change_lun,
            GrowLun: self._resize_lun,
            ShrinkLun: self._resize_lun,
            ReplaceMedium: self._replace_medium,
            ChangeDaemon: self._change_daemon,
        }

    def carry_out(self, plan: Plan) -> None:
        """All of it, portals aside. When a step fails, those before it are taken back, and initiators are told; then
        its exception is raised."""
        done: list[Step] = []
        try:
            for step in plan:
                handler = self._handlers.get(type(step))
                if handler is not None:
                    done.append(step)
                    handler(step)
            self._announce.update(dict.fromkeys(self._tree.link()))
        except Exception:
            log.exception("a step failed; going back")
            self._go_back(done)
            raise

    def _go_back(self, done: list[Step]) -> None:
        for step in reversed(done):
            back = inverse(step)
            try:
                self._handlers[type(back)](back)
            except Exception:
                log.exception("cannot undo: %s", step.describe())
        self._tree.link()
        self.tell()

    def tell(self) -> list[str]:
        """Log out who may no longer be there, then unit attentions for the rest. Who was logged out."""
        gone = [f"logged out: {who}" for target in self._recheck for who in target.side.recheck()]
        for target in self._announce:
            target.scsi.announce()
        for target in self._tree.targets.values():
            target.side.refresh()
        return gone

    @property
    def settling(self) -> bool:
        """Whether units are on their way, or wait for media that are still to be closed."""
        return bool(self._waiting and self.closing) or any(unit.settling for unit in self._touched)

    def causes(self) -> list[str]:
        """Why units that were touched are not online."""
        return [f"{unit.wish.origin}: {unit.place}: {unit.cause}" for unit in self._touched if unit.cause is not None]

    def _target(self, name: str) -> LiveTarget:
        return self._tree.targets[name]

    def _unit(self, step: LunStep) -> Unit:
        return self._tree.targets[step.target].units[step.lun]

    def _touch(self, step: LunStep) -> Unit:
        unit = self._unit(step)
        self._touched[unit] = None
        return unit

    def _add_target(self, step: AddTarget) -> None:
        target = self._tree.make_target(step.new)
        for wish in step.new.luns.values():
            self._put_lun(target, wish)
        target.side.show()
        self._tree.targets[step.target] = target

    def _remove_target(self, step: RemoveTarget) -> None:
        target = self._tree.targets.pop(step.target)
        target.side.hide()
        self._tree.withdraw(target, list(target.scsi.luns))
        for number in list(target.units):
            self._take_lun(target, number)
        self._announce.pop(target, None)
        self._recheck.pop(target, None)

    def _change_target(self, step: ChangeTarget) -> None:
        target = self._target(step.target)
        wish, target.wish = step.new, step.new
        if "groups" in step.fields:
            target.scsi.regroup(translate.port_groups(wish))
        if "transport" in step.fields:
            target.side.hide()
            target.side = self._tree.make_side(wish, target.scsi)
            target.side.show()
        else:
            target.side.change(wish)
        if "shared" in step.fields:
            self._tree.withdraw(
                target, [number for number, share in step.old.shared.items() if wish.shared.get(number) != share]
            )
            self._announce[target] = None
        if {"access", "views", "online", "groups"}.intersection(step.fields):
            self._recheck[target] = None
        if "views" in step.fields:
            self._announce[target] = None

    def _add_lun(self, step: AddLun) -> None:
        target = self._target(step.target)
        self._put_lun(target, step.new)
        self._announce[target] = None

    def _remove_lun(self, step: RemoveLun) -> None:
        target = self._target(step.target)
        self._take_lun(target, step.lun)
        self._announce[target] = None

    def _put_lun(self, target: LiveTarget, wish: model.Lun) -> None:
        unit = self._tree.make_unit(target.wish.name, wish)
        opening = self._openings.pop((target.wish.name, wish.number), None)
        if opening is not None:
            unit.adopt(opening)
        elif wish.online:
            unit.await_release()
            self._waiting[unit] = None
        self._touched[unit] = None
        target.scsi.add_lun(wish.number, unit.device)
        target.units[wish.number] = unit

    def _take_lun(self, target: LiveTarget, number: int) -> None:
        unit = target.units.pop(number)
        for home in list(unit.device.access.homes):
            home.remove_lun(next(at for at, device in home.luns.items() if device is unit.device))
            if home.name in self._tree.targets:
                self._announce[self._tree.targets[home.name]] = None
        self.closing += 1
        unit.close(self._released)

    def _change_lun(self, step: ChangeLun) -> None:
        unit, wish = self._touch(step), step.new
        if unit.wish == wish:
            return  # done together with its medium
        identity = self._tree.identity(step.target, wish)
        medium = unit.device.medium
        if not wish.online or not step.old.online:
            self._swap(step, unit, identity)
        elif (
            medium is None
            or (not wish.read_only and not bottom(medium).writable)
            or identity.wwid != unit.device.identity.wwid  # whose reservations are others
        ):
            unit.reopen(wish, identity)
        else:
            unit.change(wish, identity)

    def _swap(self, step: ChangeLun | ReplaceMedium, unit: Unit, identity: Identity) -> None:
        opening = self._openings.pop((step.target, step.lun), None)
        self.closing += unit.device.medium is not None
        unit.swap(step.new, identity, opening, self._released)
        if opening is None and step.new.online:
            self._waiting[unit] = None

    def _released(self) -> None:
        self.closing -= 1
        if not self.closing:
            self._all_closed()
        self.released()

    def released(self) -> None:
        """A medium was closed, here or elsewhere: whoever waits for one may try."""
        for unit in list(self._waiting):
            if unit.state is UnitState.PENDING:
                unit.retry()
            else:
                del self._waiting[unit]

    def _resize_lun(self, step: GrowLun | ShrinkLun) -> None:
        self._touch(step).resize(step.new)

    def _replace_medium(self, step: ReplaceMedium) -> None:
        unit, wish = self._touch(step), step.new
        identity = self._tree.identity(step.target, wish)
        if step.elsewhere:
            self._swap(step, unit, identity)
        elif (step.reprotected or step.old.medium.way != wish.medium.way) and wish.online:
            unit.reopen(wish, identity)
        elif step.reprotected:
            unit.change(wish, identity)
        else:
            unit.resize(wish)

    def _change_daemon(self, step: ChangeDaemon) -> None:
        self._daemon_changed(step.new)
