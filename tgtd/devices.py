"""The device types: how each is made, and what a LUN's configuration means to it. To add one: a line in KINDS."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tgtd.config import model
from tgtd.config.librarymodels import MODELS
from tgtd.identity import InquiryNames
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
from tgtd.scsi.smc.barcodes import BarcodeRule
from tgtd.scsi.smc.changer import Changer
from tgtd.scsi.smc.inventory import ElementType, Layout, Range
from tgtd.scsi.smc.shelf import DriveName, LibrarySettings
from tgtd.scsi.ssc.division import MOST
from tgtd.scsi.ssc.drive import TapeDrive, TapeSettings
from tgtd.scsi.ssc.personality import PERSONALITIES, Density, Personality


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """make: a device without a medium, of its settings. settings: what it takes from a LUN's configuration. names: what
    it is called where the configuration does not say."""

    make: Callable[[Identity, BufferPool, Offload, Any], AnyDevice]
    settings: Callable[[model.Lun], Any]
    names: Callable[[model.Lun], InquiryNames]


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


def _own_names(wish: model.Lun) -> InquiryNames:
    return "tgtd", wish.device, "0001"


def personality_of(wish: model.Lun) -> Personality:
    """What a tape drive is, by its name or of formats of one's own."""
    named = PERSONALITIES[wish.personality]
    if not wish.formats:
        return dataclasses.replace(named, partitions=wish.partitions or named.partitions)
    return Personality(
        name="this drive",
        vendor="tgtd",
        product="tape",
        revision="0001",
        densities=tuple(
            Density(
                code=one.code,
                bits_per_mm=one.bits_per_mm,
                width=one.width,
                tracks=one.tracks,
                capacity=one.capacity // 1_000_000,
                organisation=one.organisation,
                name=one.name,
                description=one.description,
                medium=one.medium_type,
                encrypted=one.encryption,
            )
            for one in wish.formats
        ),
        writes=frozenset(one.code for one in wish.formats if one.write),
        partitions=wish.partitions or MOST,
    )


def tape_settings(wish: model.Lun) -> TapeSettings:
    return TapeSettings(personality_of(wish), codecs, wish.read_only, ciphers(), GUARDS)


def _drive_names(wish: model.Lun) -> InquiryNames:
    drive = personality_of(wish)
    return drive.vendor, drive.product, drive.revision


def library_settings(wish: model.Lun) -> LibrarySettings:
    library = wish.library
    assert library is not None
    first = library.addresses
    return LibrarySettings(
        Layout(
            Range(ElementType.TRANSPORT, first.robot, 1),
            Range(ElementType.STORAGE, first.slots, library.slots),
            Range(ElementType.PORT, first.ports, library.ports),
            Range(ElementType.DRIVE, first.drives, len(library.drives)),
        ),
        tuple(DriveName(drive.target, drive.lun) for drive in library.drives),
        library.cartridges,
        library.create,
        library.size,
        tuple(BarcodeRule(one.prefix, one.suffix, one.type, one.generation, one.size) for one in library.rules),
    )


def _library_names(wish: model.Lun) -> InquiryNames:
    assert wish.library is not None
    library = MODELS[wish.library.model]
    return library.vendor, library.product, library.revision


KINDS: Mapping[str, DeviceKind] = {
    "disk": DeviceKind(_disk, disk_settings, _own_names),
    "passthrough": DeviceKind(Passthrough, passthrough_settings, _own_names),
    "tape": DeviceKind(TapeDrive, tape_settings, _drive_names),
    "changer": DeviceKind(Changer, library_settings, _library_names),
}
"""By the configuration's `device`."""
