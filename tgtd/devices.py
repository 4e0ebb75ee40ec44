"""The device types: how each is made, and what a LUN's configuration means to it. To add one: a line in KINDS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tgtd.config import model
from tgtd.identity import Names
from tgtd.media.codecs import codecs
from tgtd.media.guards import GUARDS
from tgtd.media.tapecipher import ciphers
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.lun import Identity
from tgtd.scsi.medium import Offload
from tgtd.scsi.passthrough.device import Passthrough, PassthroughSettings
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.smc.changer import Changer
from tgtd.scsi.smc.model import MODELS
from tgtd.scsi.smc.shelf import LibrarySettings
from tgtd.scsi.ssc.drive import TapeDrive, TapeSettings
from tgtd.scsi.ssc.personality import PERSONALITIES


@dataclass(frozen=True, slots=True)
class Kind:
    """make: a device without a medium, of its settings. settings: what it takes from a LUN's configuration. names: what
    it is called where the configuration does not say."""

    make: Callable[[Identity, BufferPool, Offload, Any], AnyDevice]
    settings: Callable[[model.Lun], Any]
    names: Callable[[model.Lun], Names]


def _disk(identity: Identity, pool: BufferPool, lane: Offload, settings: DiskSettings) -> Disk:
    return Disk(identity, pool, lane, None, settings)


def disk_settings(wish: model.Lun) -> DiskSettings:
    return DiskSettings(
        write_cache=wish.write_cache,
        block_size=wish.block_size,
        physical_block_size=wish.physical_block_size,
        read_only=wish.read_only,
        removable=wish.removable,
        thin=wish.thin,
        rotation_rate=wish.rotation_rate,
        management=wish.management,
        pool_warning=wish.pool_warning,
        mode_pages=tuple((declared.page, declared.subpage, declared.parameters) for declared in wish.mode_page),
    )


def passthrough_settings(wish: model.Lun) -> PassthroughSettings:
    return PassthroughSettings(command_timeout=wish.command_timeout)


def _own_names(wish: model.Lun) -> Names:
    return "tgtd", wish.device, "0001"


def tape_settings(wish: model.Lun) -> TapeSettings:
    return TapeSettings(PERSONALITIES[wish.personality], codecs, wish.read_only, ciphers(), GUARDS)


def _drive_names(wish: model.Lun) -> Names:
    drive = PERSONALITIES[wish.personality]
    return drive.vendor, drive.product, drive.revision


def library_settings(wish: model.Lun) -> LibrarySettings:
    library = wish.library
    assert library is not None
    return LibrarySettings(
        MODELS[library.model].layout(library.slots, library.ports, len(library.drives)),
        library.drives,
        library.cartridges,
        library.create,
        library.size,
    )


def _library_names(wish: model.Lun) -> Names:
    assert wish.library is not None
    library = MODELS[wish.library.model]
    return library.vendor, library.product, library.revision


KINDS: Mapping[str, Kind] = {
    "disk": Kind(_disk, disk_settings, _own_names),
    "passthrough": Kind(Passthrough, passthrough_settings, _own_names),
    "tape": Kind(TapeDrive, tape_settings, _drive_names),
    "changer": Kind(Changer, library_settings, _library_names),
}
"""By the configuration's `device`."""
