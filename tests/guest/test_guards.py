"""Logical block protection, byte by byte over sg, and as st reads what was written."""

from __future__ import annotations

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_tape import st
from tgtd.media.guards import GUARDS

__all__ = ["st"]

SELECT = "55 10 00 00 00 00 00 00 28 00"
PAGE = r"\x00\x00\x00\x00\x00\x00\x00\x00\x4a\xf0\x00\x1c\x{:02x}\x{:02x}\x{:02x}"


def test_protected_blocks(guest: Guest, st: str, open_iscsi: OpenIscsi) -> None:
    generic = open_iscsi.generic(0)
    block = b"a block of a tape"

    def select(method: int, length: int, flags: int) -> None:
        page = PAGE.format(method, length, flags)
        guest.run(f"(printf '{page}'; head -c 25 /dev/zero) | sg_raw -s 40 {generic} {SELECT}")

    def write(data: bytes) -> str:
        text = "".join(f"\\x{byte:02x}" for byte in data)
        cdb = f"0a 00 00 00 {len(data):02x} 00"
        return guest.run(f"printf '{text}' | sg_raw -s {len(data)} {generic} {cdb} 2>&1", status=None).output

    for method, guard in GUARDS.items():
        guest.run(f"mt-st -f {st} rewind")
        select(method, 4, 0xC0)
        assert "Good" in write(block + guard(block))
        assert "Logical block guard check failed" in write(block + guard(block[1:]))
        guest.run(f"mt-st -f {st} rewind")
        found = guest.run(f"sg_raw -r 21 -b {generic} 08 00 00 00 15 00 2>/dev/null | od -An -v -tx1").output
        assert bytes.fromhex(found) == block + guard(block)
        select(0, 0, 0)
        guest.run(f"mt-st -f {st} rewind")
        assert guest.run(f"dd if={st} bs=64k count=1 status=none").output == block.decode()
