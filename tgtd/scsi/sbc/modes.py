"""Mode pages of disks, as rows (SPC-5 7.5, SBC-4 6.5).

What can be changed is performed when it is; what is not performed is zero. Read-write error recovery has no retries to
speak of: the medium has done what it can. The parameters of disconnect-reconnect are for other transports than iSCSI,
which negotiates its own. No timer leads to a power condition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.medium import Work
from tgtd.scsi.mode import ModeField, ModePage, constant
from tgtd.scsi.sbc.protection.tagpage import APPLICATION_TAG
from tgtd.scsi.sbc.selftest import extended_seconds
from tgtd.scsi.sbc.thresholds import LBPERE, PROVISIONING
from tgtd.scsi.spc.controlmode import D_SENSE, NUAR, TAS

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_EACH_NEXUS = 0b001
"""TST: a task set for each I_T nexus."""
_NO_CHECK_CONDITION = 0b01
"""CCF fields: a command that ends a power condition is not refused for it."""


def _set_write_cache(disk: Disk, on: int) -> Work | None:
    """Switched off, what was acknowledged before goes to the medium before the command ends."""
    disk.write_cache = bool(on)
    return None if on or disk.medium is None else disk.medium.flush


def _set_task_sets(disk: Disk, kind: int) -> None:
    disk.tasks.separate_sets(kind == _EACH_NEXUS)


def _set_error_aborts(disk: Disk, whose: int) -> None:
    disk.error_aborts = whose


def _set_interlock(disk: Disk, control: int) -> None:
    disk.attention_interlock = control


def _set_software_protection(disk: Disk, on: int) -> Work | None:
    """SPC-5 7.5.12: writes that were acknowledged are on the medium before the protection begins."""
    disk.protect(bool(on))
    return disk.medium.flush if on and disk.medium is not None else None


def _set_unchecked(disk: Disk, on: int) -> None:
    disk.policy.lenient = bool(on)


def _set_tag_owner(disk: Disk, on: int) -> None:
    disk.policy.own = bool(on)


def _set_told_tags(disk: Disk, on: int) -> None:
    disk.policy.told = bool(on)


def _protected(disk: Disk) -> bool:
    return disk.protection > 0


RECOVERY = ModePage(0x01, 0, "read-write error recovery", 12, (LBPERE,))

DISCONNECT_RECONNECT = ModePage(0x02, 0, "disconnect-reconnect", 16, (), common=True)


CACHING = ModePage(
    0x08,
    0,
    "caching",
    20,
    (
        ModeField(
            2,
            2,
            1,
            "WCE",
            value=lambda disk: disk.caches(disk.write_cache),
            default=lambda disk: disk.caches(disk.settings.write_cache),
            change=_set_write_cache,
            changeable=lambda disk: disk.cache_changeable(),
        ),
    ),
)

CONTROL = ModePage(
    0x0A,
    0,
    "control",
    12,
    (
        ModeField(
            2,
            5,
            3,
            "TST",
            lambda disk: _EACH_NEXUS if disk.tasks.separate else 0,
            lambda _: 0,
            _set_task_sets,
            values=(0, _EACH_NEXUS),
        ),
        ModeField(
            2,
            3,
            1,
            "DPICZ",
            lambda disk: disk.policy.lenient,
            lambda _: 0,
            _set_unchecked,
            _protected,
        ),
        D_SENSE,
        constant(3, 4, 4, "QUEUE ALGORITHM MODIFIER", 1),
        NUAR,
        ModeField(3, 1, 2, "QERR", lambda disk: disk.error_aborts, lambda _: 0, _set_error_aborts, values=(0, 1, 3)),
        ModeField(
            4,
            4,
            2,
            "UA_INTLCK_CTRL",
            lambda disk: disk.attention_interlock,
            lambda _: 0,
            _set_interlock,
            values=(0, 2, 3),
        ),
        ModeField(4, 3, 1, "SWP", lambda disk: disk.software_protected, lambda _: 0, _set_software_protection),
        ModeField(
            5,
            7,
            1,
            "ATO",
            lambda disk: disk.policy.own,
            lambda _: 0,
            _set_tag_owner,
            _protected,
        ),
        TAS,
        ModeField(
            5,
            5,
            1,
            "ATMPE",
            lambda disk: disk.policy.told,
            lambda _: 0,
            _set_told_tags,
            _protected,
        ),
        ModeField(10, 0, 16, "EXTENDED SELF-TEST COMPLETION TIME", extended_seconds, extended_seconds),
    ),
)

CONTROL_EXTENSION = ModePage(
    0x0A,
    0x01,
    "control extension",
    32,
    (constant(4, 2, 1, "TCMOS", 1), constant(4, 1, 1, "SCSIP", 1)),
)

INFORMATIONAL_EXCEPTIONS = ModePage(0x1C, 0, "informational exceptions control", 12, (constant(2, 3, 1, "DEXCPT", 1),))

POWER_CONDITION = ModePage(
    0x1A,
    0,
    "power condition",
    40,
    (
        constant(39, 6, 2, "CCF IDLE", _NO_CHECK_CONDITION),
        constant(39, 4, 2, "CCF STANDBY", _NO_CHECK_CONDITION),
        constant(39, 2, 2, "CCF STOPPED", _NO_CHECK_CONDITION),
    ),
)

MODE_PAGES = (
    RECOVERY,
    DISCONNECT_RECONNECT,
    CACHING,
    CONTROL,
    CONTROL_EXTENSION,
    APPLICATION_TAG,
    POWER_CONDITION,
    INFORMATIONAL_EXCEPTIONS,
    PROVISIONING,
)
