"""kill -9 in the middle of writes: what was acknowledged as durable is there after the restart."""

from __future__ import annotations

import random

import pytest

from tests.initiator import SYNCHRONIZE_CACHE, read10, write10
from tests.wire.conftest import Site

pytestmark = [pytest.mark.wire, pytest.mark.slow]

BLOCKS = 16


@pytest.mark.parametrize("durable_by", ["flush", "fua", "write_cache = false"])
def test_durable_data_survives(site: Site, durable_by: str) -> None:
    site.write(site.target(site.lun(1, more="write_cache = false" if "=" in durable_by else "")))
    random.seed(7)
    promised: dict[int, bytes] = {}
    for _ in range(4):
        site.start()
        verify(site, promised)
        initiator = site.login()
        initiator.read(bytes(6), 0, lun=1)
        written: dict[int, bytes] = {}
        with site.killed(random.uniform(0.05, 0.4)):
            while True:
                slot, data = random.randrange(256), random.randbytes(BLOCKS * 512)
                promised.pop(slot, None)  # from here until it is acknowledged, either version may be there
                cdb = write10(slot * BLOCKS, BLOCKS, fua=durable_by == "fua")
                assert initiator.write(cdb, data, lun=1).status == 0
                written[slot] = data
                if durable_by != "flush":
                    promised[slot] = data
                elif len(written) >= 8:
                    assert initiator.read(SYNCHRONIZE_CACHE, 0, lun=1).status == 0
                    promised |= written
                    written.clear()
    assert len(promised) > 8
    site.start()
    verify(site, promised)


def verify(site: Site, promised: dict[int, bytes]) -> None:
    with site.login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        for slot, data in promised.items():
            assert initiator.read(read10(slot * BLOCKS, BLOCKS), len(data), lun=1).data == data
