"""Who a logical unit is when the configuration does not say: stable, unique, and independent of positions in files.

A WWID must be the same after every restart and differ from that of any other unit in the world. It is derived from
three things: the installation's random id (made once, kept in the state directory), the target's name, and the LUN.

NAA 6h (SPC-5 7.7.6.6.6) has room for 100 bits of hash behind an IEEE company id. We own none, so the company id is
02-74-67h: the bit that says "locally administered" is set in its first octet, and its low nibble is 2h, which IEEE 802c
leaves to local administrators (Ah would be a registered CID). No registered company id can ever equal it. NAA 3h
(locally assigned) would carry the same right with 60 bits only, and several initiators' multipath tools do not expect
it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from tgtd.config.model import IdentityWish
from tgtd.scsi.lun import Identity

_COMPANY = 0x027467
_FILE = "installation-id"


def installation_id(state: Path) -> bytes:
    """The 16 bytes of this installation, made when there are none. Raises OSError, or ValueError for a damaged file."""
    path = state / _FILE
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        text = _create(path)
    except UnicodeDecodeError:
        text = ""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 16:
        raise ValueError(
            f"{path}: not an installation id (32 hexadecimal digits); restore it from a backup, or remove the file and "
            "declare serial and wwid for the units that initiators know already"
        )
    return found


def _create(path: Path) -> str:
    """Write a new id so that a crash leaves the whole file or none, and the first of two daemons wins."""
    text = secrets.token_hex(16) + "\n"
    draft = path.with_name(f".{_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, path)
        except FileExistsError:
            return path.read_text("ascii")
    finally:
        os.unlink(draft)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return text


InquiryNames = tuple[str, str, str]
"""Vendor, product and revision, as INQUIRY has them."""


def derive(installation: bytes, target: str, lun: int, wish: IdentityWish, names: InquiryNames) -> Identity:
    """The identity of a logical unit; what the configuration declares wins. names: what its device type is called."""
    digest = hashlib.sha256(b"\0".join((installation, target.encode(), str(lun).encode()))).digest()
    return Identity(
        vendor=names[0] if wish.vendor is None else wish.vendor,
        product=names[1] if wish.product is None else wish.product,
        revision=names[2] if wish.revision is None else wish.revision,
        serial=digest[16:24].hex() if wish.serial is None else wish.serial,
        wwid=_naa6(digest) if wish.wwid is None else wish.wwid,
    )


def _naa6(digest: bytes) -> bytes:
    tail = int.from_bytes(digest[:16], "big") >> 28
    return (6 << 124 | _COMPANY << 100 | tail).to_bytes(16, "big")
