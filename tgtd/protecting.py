"""What is opened beside a disk's medium so that it can have protection information, and which type it has then.

The later one wins: FORMAT UNIT changes the type that the configuration declares, and an edit of that declaration
changes it again. What was beside the blocks before is forgotten whenever the type is a new one: they are not checked
until they are written.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from typing import cast

from tgtd.config import model
from tgtd.media import MediumError, Opener, OpenOptions
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.medium import BlockMedium, Store
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.protection.formatting import NAME, Formatted
from tgtd.scsi.sbc.protection.medium import ProtectedMedium, room

log = logging.getLogger(__name__)


def beside(openers: Mapping[str, Opener], wish: model.Lun, medium: Store, remembered: Mapping[str, bytes]) -> Store:
    """The medium, prepared for protection information where the LUN is to have some. Blocks. Raises OSError."""
    if wish.protection is None:
        return medium
    known = Formatted.decode(remembered.get(NAME))
    fresh = known is None or known.declared != wish.protection or known.block_size != wish.block_size
    kind = wish.protection if known is None or fresh else known.kind
    kept = "file" if wish.protection_path else wish.medium.type
    opened = openers[kept](
        wish.protection_path, OpenOptions(room(medium.size, wish.block_size), create=True, writable=not wish.read_only)
    )
    data, companion = cast(BlockMedium, medium), cast(BlockMedium, opened)
    try:
        if fresh:
            _forget(companion, wish)
        return ProtectedMedium(data, companion, wish.block_size, kind, wish.protection)
    except BaseException:
        opened.close()
        raise


def _forget(companion: BlockMedium, wish: model.Lun) -> None:
    if not companion.writable:
        raise MediumError(
            errno.EROFS,
            f"protection = {wish.protection} is new here, and the LUN is read-only",
            "take it online once without read_only, or leave protection out",
        )
    companion.zero(0, companion.size, True)
    companion.flush()


def note(device: AnyDevice, wish: model.Lun) -> None:
    """The medium is in use: remember the type that it has, and what was declared; or that there is none any more."""
    if not isinstance(device, Disk):
        return
    value = None
    if device.guarded is not None and wish.protection is not None:
        value = Formatted(device.protection, wish.protection, wish.block_size).encode()
    device.records.keeper.hold(NAME, value, _noted)


def _noted(error: BaseException | None) -> None:
    if error is not None:
        log.error("which protection type a disk has cannot be remembered: %s", error)


def status(device: AnyDevice, wish: model.Lun) -> dict[str, object] | None:
    """type: the protection type in use; declared: the configuration's; path: where it is kept, None: in memory."""
    if not isinstance(device, Disk) or wish.protection is None:
        return None
    return {
        "type": device.protection,
        "declared": wish.protection,
        "path": wish.protection_path,
    }
