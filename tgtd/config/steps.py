"""What a reload may consist of: one frozen class a kind of step. Each says what it does and what initiators notice.

Data only; carrying them out is for others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tgtd.config.model import PLAIN_TAG, Daemon, Lun, Medium, Portal, Target
from tgtd.config.size import show_size

NONE = "none"
LUNS_CHANGED = "unit attention: reported LUNs data has changed"
CAPACITY_CHANGED = "unit attention: capacity data has changed"
INQUIRY_CHANGED = "unit attention: INQUIRY data has changed"
MODE_CHANGED = "unit attention: mode parameters changed"
MEDIUM_CHANGED = "unit attention: medium may have changed"
NOT_READY = "commands are answered NOT READY"
REOPENED = f"{NOT_READY} until its medium is open anew, then {MEDIUM_CHANGED}"
REOPENED_MAYBE = f"unless its medium is open for writing already, {REOPENED}"
LOGOUT = "all its sessions are logged out"
LOGOUT_SOME = "sessions that are no longer allowed are logged out"
NEW_LOGINS = "new logins only"
ACCESS_CHANGED = "unit attention: asymmetric access state changed"
LUNS_AWAY = "its LUNs are taken away, and come back"
PORTS_GONE = "sessions of port groups that are gone are logged out"


class Step(ABC):
    """Base of all steps. Those that touch a target have `target`, its name; those that touch a LUN have `lun` too;
    those that change some of several values have `fields`."""

    __slots__ = ()

    @property
    def effects(self) -> tuple[str, ...]:
        """What initiators notice; (NONE,) when nothing."""
        return (NONE,)

    @property
    def disturbing(self) -> bool:
        """Whether sessions that are there now notice anything."""
        return any(effect not in (NONE, NEW_LOGINS) for effect in self.effects)

    @abstractmethod
    def describe(self) -> str:
        """One line in plain words."""

    def as_dict(self) -> dict[str, object]:
        """For JSON output. Holds no secret: of changed values there are only the names."""
        row: dict[str, object] = {"step": type(self).__name__, "does": self.describe(), "effects": list(self.effects)}
        for key in ("target", "lun", "fields"):
            value = getattr(self, key, None)
            if value is not None:
                row[key] = list(value) if isinstance(value, tuple) else value
        return row


@dataclass(frozen=True, slots=True)
class AddPortal(Step):
    """Start to listen."""

    portal: Portal

    def describe(self) -> str:
        return f"listen on {self.portal}"


@dataclass(frozen=True, slots=True)
class RemovePortal(Step):
    """Stop to listen. Connections that came in through the portal stay."""

    portal: Portal

    def describe(self) -> str:
        return f"stop listening on {self.portal}"


_DAEMON_KEYS = {
    "log_level": "log.level",
    "log_format": "log.format",
    "reload_debounce": "reload.debounce",
    "watch": "reload.watch",
}
"""How tgtd.toml writes what model.Daemon calls by another name."""


@dataclass(frozen=True, slots=True)
class ChangeDaemon(Step):
    """fields: names of model.Daemon's attributes that differ."""

    old: Daemon
    new: Daemon
    fields: tuple[str, ...]

    @property
    def effects(self) -> tuple[str, ...]:
        return (NEW_LOGINS,) if {"discovery", "limits"}.intersection(self.fields) else (NONE,)

    def describe(self) -> str:
        return f"change {listed(tuple(_DAEMON_KEYS.get(name, name) for name in self.fields))} of tgtd.toml"


@dataclass(frozen=True, slots=True)
class AddTarget(Step):
    """A target with all of its LUNs."""

    new: Target

    @property
    def target(self) -> str:
        return self.new.name

    def describe(self) -> str:
        count = len(self.new.luns) + len(self.new.shared)
        return f'add target "{self.target}" with {count} lun{"" if count == 1 else "s"}'


@dataclass(frozen=True, slots=True)
class RemoveTarget(Step):
    """A target with all of its LUNs."""

    old: Target

    @property
    def target(self) -> str:
        return self.old.name

    @property
    def effects(self) -> tuple[str, ...]:
        return (LOGOUT,)

    def describe(self) -> str:
        return f'remove target "{self.target}"'


_TARGET_EFFECTS = {
    "access": LOGOUT_SOME,
    "views": LUNS_CHANGED,
    "shared": LUNS_CHANGED,
    "portals": NEW_LOGINS,
    "redirect": NEW_LOGINS,
    "iscsi": NEW_LOGINS,
    "transport": LOGOUT,
    "fabric": LUNS_AWAY,
}


_TARGET_KEYS = {"groups": "port groups", "shared": "shared luns", "views": "maps"}
"""What people call that which model.Target calls otherwise."""


@dataclass(frozen=True, slots=True)
class ChangeTarget(Step):
    """fields: of alias, transport, portals, groups, fabric, access, redirect, iscsi, views, shared, online."""

    old: Target
    new: Target
    fields: tuple[str, ...]

    @property
    def target(self) -> str:
        return self.new.name

    @property
    def effects(self) -> tuple[str, ...]:
        if "online" in self.fields and not self.new.online:
            return (LOGOUT,)
        return _distinct((*(_TARGET_EFFECTS.get(field, NONE) for field in self.fields), *self._port_effects()))

    def _port_effects(self) -> Iterator[str]:
        """What a change of port groups means."""
        if "groups" in self.fields:
            before, after = ({group.tag for group in one.groups} or {PLAIN_TAG} for one in (self.old, self.new))
            if before - after:
                yield PORTS_GONE
            yield ACCESS_CHANGED

    def describe(self) -> str:
        if self.fields == ("online",):
            return f'{"offer" if self.new.online else "no longer offer"} target "{self.target}"'
        names = tuple(_TARGET_KEYS.get(name, name) for name in self.fields)
        return f'change {listed(names)} of target "{self.target}"'


@dataclass(frozen=True, slots=True)
class AddLun(Step):
    """A new LUN of a target that stays."""

    target: str
    new: Lun

    @property
    def lun(self) -> int:
        return self.new.number

    @property
    def effects(self) -> tuple[str, ...]:
        return (LUNS_CHANGED,)

    def describe(self) -> str:
        return f"add {_name(self.target, self.lun)}: {self.new.device} on {medium_words(self.new.medium)}"


@dataclass(frozen=True, slots=True)
class RemoveLun(Step):
    """A LUN goes; its medium's data stay, unless they are in memory."""

    target: str
    old: Lun

    @property
    def lun(self) -> int:
        return self.old.number

    @property
    def effects(self) -> tuple[str, ...]:
        return (LUNS_CHANGED,)

    def describe(self) -> str:
        lost = " and lose what its memory holds" if self.old.medium.type == "ram" else ""
        return f"remove {_name(self.target, self.lun)}{lost}"


@dataclass(frozen=True, slots=True)
class LunStep(Step):
    """A LUN stays and something about it changes. old, new: all of it before and after."""

    target: str
    old: Lun
    new: Lun

    @property
    def lun(self) -> int:
        return self.new.number


_LUN_EFFECTS = {
    "identity": INQUIRY_CHANGED,
    "physical_block_size": INQUIRY_CHANGED,
    "rotation_rate": INQUIRY_CHANGED,
    "removable": INQUIRY_CHANGED,
    "thin": INQUIRY_CHANGED,
    "management": INQUIRY_CHANGED,
    "write_cache": MODE_CHANGED,
    "mode_page": MODE_CHANGED,
    "read_only": MODE_CHANGED,
    "pool_warning": MODE_CHANGED,
    "library": MEDIUM_CHANGED,
}


@dataclass(frozen=True, slots=True)
class ChangeLun(LunStep):
    """fields: of identity, write_cache, physical_block_size, read_only, removable, thin, rotation_rate, mode_page,
    management, pool_warning, library, online, allow_shrink, io_timeout, io_timeout_policy, command_timeout,
    medium.create, medium.filters."""

    fields: tuple[str, ...]

    @property
    def effects(self) -> tuple[str, ...]:
        if "online" in self.fields and not self.new.online:
            return (NOT_READY,)
        if "online" in self.fields:
            return (MEDIUM_CHANGED,)
        effects = [_LUN_EFFECTS.get(field, NONE) for field in self.fields]
        if self.old.identity.wwid != self.new.identity.wwid:
            effects.append(REOPENED)
        elif self.old.read_only and not self.new.read_only:
            effects.append(REOPENED_MAYBE)
        if _writable(self.old) != _writable(self.new):
            effects.append(MODE_CHANGED)
        if bool(self.old.pool_warning) != bool(self.new.pool_warning):
            effects.append(INQUIRY_CHANGED)
        return _distinct(effects)

    def describe(self) -> str:
        name = _name(self.target, self.lun)
        if self.fields == ("online",):
            return f"take {name} {'online' if self.new.online else 'offline'}"
        return f"change {listed(self.fields)} of {name}"


@dataclass(frozen=True, slots=True)
class GrowLun(LunStep):
    """Its declared size grows; both sizes are known."""

    @property
    def effects(self) -> tuple[str, ...]:
        return (CAPACITY_CHANGED,)

    def describe(self) -> str:
        return f"grow {_name(self.target, self.lun)} {_from_to(self.old, self.new)}"


@dataclass(frozen=True, slots=True)
class ShrinkLun(LunStep):
    """Its declared size shrinks; both sizes are known. Refused unless allow_shrink."""

    @property
    def effects(self) -> tuple[str, ...]:
        return (CAPACITY_CHANGED,)

    def describe(self) -> str:
        return f"shrink {_name(self.target, self.lun)} {_from_to(self.old, self.new)}"


@dataclass(frozen=True, slots=True)
class ReplaceMedium(LunStep):
    """Another medium, or the same one opened in another way (direct, sync, preallocate, encryption, protection), or
    with a size that is declared on one side only: then whether it shrinks shows when it is opened."""

    @property
    def effects(self) -> tuple[str, ...]:
        if self.elsewhere or self.reprotected or self.old.medium.way != self.new.medium.way:
            return (MEDIUM_CHANGED,)
        return (CAPACITY_CHANGED,) if self.resized else (NONE,)

    @property
    def elsewhere(self) -> bool:
        """Whether it is other data."""
        return (self.old.medium.type, self.old.medium.path) != (self.new.medium.type, self.new.medium.path)

    @property
    def resized(self) -> bool:
        """Whether the declared size differs."""
        return self.old.medium.size != self.new.medium.size

    @property
    def reprotected(self) -> bool:
        """Whether it is to have other protection information, or to keep it elsewhere."""
        old, new = self.old, self.new
        return (old.protection, old.protection_path) != (new.protection, new.protection_path)

    @property
    def reencrypted(self) -> bool:
        """Whether it is to be encrypted or not, by another key, or with another header."""
        return self.old.medium.encryption != self.new.medium.encryption

    def describe(self) -> str:
        name = _name(self.target, self.lun)
        if self.elsewhere:
            old, new = medium_words(self.old.medium), medium_words(self.new.medium)
            lost = " and losing what memory holds" if self.old.medium.type == "ram" else ""
            return f"put {name} on {new} instead of {old}, copying nothing{lost}"
        anew = f"open the medium of {name} anew: {medium_words(self.new.medium)}"
        if self.reprotected:
            kind = self.new.protection
            anew += ", " + ("without protection information" if kind is None else f"with protection type {kind}")
        if self.reencrypted:
            wanted = self.new.medium.encryption
            anew += ", " + ("without encryption" if wanted is None else f"with the key in {wanted.key.source}")
        return anew


def medium_words(medium: Medium) -> str:
    """A medium in a few words."""
    words = [medium.type, *([medium.path] if medium.path else [])]
    details = [*([show_size(medium.size)] if medium.size is not None else []), *_ways(medium)]
    return " ".join(words) + (f" ({', '.join(details)})" if details else "")


def _ways(medium: Medium) -> list[str]:
    words = [word for word in ("direct", "sync", "preallocate") if getattr(medium, word)]
    return [*words, *(["encrypted"] if medium.encryption is not None else [])]


def listed(names: tuple[str, ...]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _name(target: str, lun: int) -> str:
    return f'lun {lun} of target "{target}"'


def _writable(lun: Lun) -> bool:
    """As far as the configuration says: a filter can make it read-only, too."""
    return not lun.read_only and all(one.type != "readonly" for one in lun.medium.filters)


def _from_to(old: Lun, new: Lun) -> str:
    return f"from {show_size(old.medium.size or 0)} to {show_size(new.medium.size or 0)}"


def _distinct(effects: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(effect for effect in effects if effect != NONE)) or (NONE,)
