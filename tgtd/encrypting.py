"""How an encrypted disk is opened: its header, the key that unlocks it, and what keeps data from being lost by mistake.

A header is made for an empty medium only. Once there is one, the medium is not opened without encryption: what would be
read is noise, and what would be written could not be read later.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import cast

from tgtd.config import model
from tgtd.media import MediumError, Opener, OpenOptions
from tgtd.media.cipher import KEY_SIZE, require
from tgtd.media.encrypted import EncryptedMedium
from tgtd.media.keyheader import SIZE, KeyHeader, in_force
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.keyed import keyed
from tgtd.scsi.medium import BlockMedium, Store

log = logging.getLogger(__name__)

NAME = "encryption"
"""What a unit remembers: the path of its medium, and that of the header."""

SUFFIX = ".header"
_STEP = 1 << 20
_LOOKED_AT = 64 << 20  # bytes of a medium that must be zeros before it counts as empty


def enciphered(openers: Mapping[str, Opener], wish: model.Lun, medium: Store, remembered: Mapping[str, bytes]) -> Store:
    """The medium, encrypted where the LUN is to be. Blocks. Raises OSError."""
    wanted = wish.medium.encryption
    if wanted is None:
        _refuse_plain(wish, remembered.get(NAME))
        return medium
    require()
    below = cast(BlockMedium, medium)
    fresh = _fresh(wanted.header)
    if fresh:
        _check_empty(below, wish)
    kept = openers["file" if wanted.header else "ram"](
        wanted.header, OpenOptions(SIZE, create=True, writable=not wish.read_only)
    )
    try:
        header = KeyHeader(cast(BlockMedium, kept))
        if header.entry is not None:
            key = _unlocked(wish, wanted, header)
        elif header.blank:
            if not fresh:
                _check_empty(below, wish)
            key = _founded(wish, wanted, header)
        else:
            raise MediumError(
                errno.EBADMSG,
                f"{wanted.header} is no header of an encrypted disk, or damaged",
                "put a copy of it back: without it nobody can read the data",
            )
        return EncryptedMedium(below, header, wanted.key.value, key)
    except BaseException:
        kept.close()
        raise


def _unlocked(wish: model.Lun, wanted: model.Encryption, header: KeyHeader) -> bytes:
    """The data key. One that the old key wraps is wrapped by the new one from now on."""
    key = header.unlock(wanted.key.value)
    if key is not None:
        return key
    old = wanted.old_key
    key = None if old is None else header.unlock(old.value)
    where = wanted.header or "the header"
    if key is None:
        tried = wanted.key.source if old is None else f"{wanted.key.source}, or in {old.source} (old_key),"
        raise MediumError(
            errno.EKEYREJECTED,
            f"the key in {tried} does not open {where}: it is another one, or the header is another disk's",
            "put the right key there; to change a key, name the one of before as old_key",
        )
    if not wish.read_only:
        assert header.entry is not None
        header.put(wanted.key.value, key, header.entry.unit)
        log.info("%s is now opened by the key in %s alone", where, wanted.key.source)
    return key


def _founded(wish: model.Lun, wanted: model.Encryption, header: KeyHeader) -> bytes:
    """A new disk's key, in a header that is on stable storage."""
    if wish.read_only:
        raise MediumError(
            errno.EROFS,
            f"{wanted.header or 'the header'} is empty, and the LUN is read-only",
            "take it online once without read_only",
        )
    key = os.urandom(KEY_SIZE)
    header.put(wanted.key.value, key, wish.block_size)
    if wanted.header is not None:
        _sync(os.path.dirname(wanted.header))
    return key


def _check_empty(medium: BlockMedium, wish: model.Lun) -> None:
    """Holes are empty; of the rest the first 64 MiB and what is in the last one are looked at."""
    last = max(0, medium.size - _STEP)
    for offset, length in (*islice(_written(medium, 0), _LOOKED_AT // _STEP), *_written(medium, last)):
        part = memoryview(bytearray(length))
        medium.read(offset, part)
        if any(part):
            assert wish.medium.encryption is not None
            raise MediumError(
                errno.EEXIST,
                f"{wish.medium.path} holds data, and there is no header that says how they are encrypted at "
                f"{wish.medium.encryption.header}",
                "put the header back if it is an encrypted disk; else copy the data to a new one, or wipe it first",
            )


def _written(medium: BlockMedium, begin: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of what is mapped from `begin` on, in steps."""
    for at, length, mapped in medium.extents(begin, medium.size - begin):
        for offset in range(at, at + length, _STEP) if mapped else ():
            yield offset, min(_STEP, at + length - offset)


def _fresh(path: str | None) -> bool:
    """Whether a header is yet to be made there. Raises MediumError for a file that cannot be one."""
    if path is None:
        return True
    try:
        size = os.stat(path).st_size
    except OSError:
        return True  # what else is wrong shows when it is opened
    if size not in (0, SIZE):
        raise MediumError(
            errno.EINVAL,
            f"{path} is no header of an encrypted disk: it has {size} bytes, not {SIZE}",
            "name another file in encryption.header, or put the header back",
        )
    return False


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_plain(wish: model.Lun, known: bytes | None) -> None:
    """Raises MediumError for a medium that has a header, as far as one can know."""
    path = wish.medium.path
    if path is None:
        return
    candidates = [f"{path}{SUFFIX}"] if wish.medium.type == "file" else []
    before, _, header = (known or b"").partition(b"\0")
    if os.fsdecode(before) == path and header:
        candidates.append(os.fsdecode(header))
    for candidate in candidates:
        try:
            with open(candidate, "rb") as file:
                found = in_force(file.read(SIZE))
        except OSError:
            continue
        if found is not None:
            raise MediumError(
                errno.EPERM,
                f"{path} is encrypted ({candidate} is its header), and the LUN has no encryption",
                "write medium.encryption again; remove the header only if the data may be lost for good",
            )


def note(device: AnyDevice, wish: model.Lun) -> None:
    """The medium is in use: remember that it is encrypted, or that none is."""
    wanted = wish.medium.encryption
    value = None
    if keyed(device.medium) is not None and wanted is not None and wanted.header and wish.medium.path:
        value = os.fsencode(wish.medium.path) + b"\0" + os.fsencode(wanted.header)
    device.records.keeper.hold(NAME, value, _noted)


def _noted(error: BaseException | None) -> None:
    if error is not None:
        log.error("that a disk is encrypted cannot be remembered: %s", error)


def status(wish: model.Lun) -> dict[str, object] | None:
    """cipher; header: the path of its header, None: in memory; key: where the key is, never what it is."""
    wanted = wish.medium.encryption
    if wanted is None:
        return None
    return {"cipher": "aes-256-xts", "header": wanted.header, "key": wanted.key.source}
