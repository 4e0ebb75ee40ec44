"""Data that is not in the page cache, by io_uring and by threads: the same bytes either way."""

from __future__ import annotations

import os
import random

import pytest

from tests.initiator import Initiator, read10, write10
from tests.wire.conftest import Site

pytestmark = pytest.mark.wire

BLOCKS = 16384  # of 512 bytes
DEPTH = 40


def drop_cache(site: Site) -> None:
    for path in site.media.iterdir():
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


@pytest.mark.parametrize("io_uring", [True, False])
@pytest.mark.parametrize("direct", [True, False])
def test_the_same_bytes(site: Site, io_uring: bool, direct: bool) -> None:
    """Random places and lengths, many in flight; a block of 512 bytes may be too small for O_DIRECT here."""
    path = site.media / "lun1.img"
    path.write_bytes(bytes(BLOCKS * 512))
    medium = f'{{ type = "file", path = "{path}", direct = {str(direct).lower()} }}'
    site.write(site.target(site.lun(1, medium=medium)))
    (site.targets.parent / "tgtd.toml").write_text(f"io_uring = {str(io_uring).lower()}\n")
    site.start()
    told = site.status()["io_uring"]
    if io_uring and told != "in use":
        pytest.skip(f"no io_uring here: {told}")
    assert (told == "in use") is io_uring
    dice = random.Random(1)
    image = bytearray(BLOCKS * 512)
    with site.login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        for turn in range(4):
            fill(initiator, image, dice, fua=bool(turn % 2))
            drop_cache(site)
            check(initiator, image, dice)
    site.stop()
    assert path.read_bytes() == image


def places(dice: random.Random) -> list[tuple[int, int]]:
    """(block, count) that do not overlap."""
    starts = sorted(dice.sample(range(0, BLOCKS, 8), DEPTH))
    return [(start + dice.choice((0, 0, 1)), dice.choice((1, 7)) if dice.random() < 0.3 else 7) for start in starts]


def fill(initiator: Initiator, image: bytearray, dice: random.Random, fua: bool) -> None:
    sent = {}
    for block, count in places(dice):
        data = dice.randbytes(count * 512)
        image[block * 512 : (block + count) * 512] = data
        sent[initiator.command_pdu(write10(block, count, fua=fua), 1, len(data), 0xA0, data)] = b""
    assert gather(initiator, len(sent)) == sent


def check(initiator: Initiator, image: bytearray, dice: random.Random) -> None:
    wanted = {
        initiator.command_pdu(read10(block, count), 1, count * 512, 0xC0): image[block * 512 : (block + count) * 512]
        for block, count in places(dice)
    }
    assert gather(initiator, len(wanted)) == wanted


def gather(initiator: Initiator, count: int) -> dict[int, bytes]:
    """The data of so many commands, by tag, in whatever order they end; all with GOOD status."""
    ended = {}
    while len(ended) < count:
        pdu = initiator.receive()
        assert pdu.opcode == 0x21 or (pdu.opcode == 0x25 and pdu.flags & 1)
        assert pdu.head[3] == 0
        ended[pdu.itt] = bytes(pdu.data)
    return ended
