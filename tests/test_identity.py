"""Identities: stable, unique, and the administrator's word wins."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from pathlib import Path

import pytest

from tgtd.config.model import IdentityWish
from tgtd.identity import derive, installation_id

WISH = IdentityWish(None, None, None, None, None)
NAMES = ("TGTD", "DISK", "1")


def test_an_installation_id_is_made_once(tmp_path: Path) -> None:
    first = installation_id(tmp_path)
    assert len(first) == 16
    assert installation_id(tmp_path) == first
    (entry,) = os.listdir(tmp_path)
    assert stat.S_IMODE((tmp_path / entry).stat().st_mode) == 0o600


def test_of_several_at_once_all_get_the_same(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(installation_id(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize("content", [b"", b"abcd\n", b"\xff" * 32, b"zz" * 16])
def test_a_damaged_id_is_refused_with_advice(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "installation-id").write_bytes(content)
    with pytest.raises(ValueError, match="backup"):
        installation_id(tmp_path)
    assert (tmp_path / "installation-id").read_bytes() == content


def test_identities_differ_by_installation_target_and_lun_and_repeat() -> None:
    places = list(itertools.product((b"a" * 16, b"b" * 16), ("iqn.x:1", "iqn.x:11"), (0, 1, 11)))
    made = [derive(*place, WISH, NAMES) for place in places]
    assert made == [derive(*place, WISH, NAMES) for place in places]
    assert len({i.wwid for i in made}) == len({i.serial for i in made}) == len(places)


def test_the_wwid_is_a_locally_administered_naa_6() -> None:
    wwid = derive(b"a" * 16, "iqn.x:1", 0, WISH, NAMES).wwid
    assert len(wwid) == 16
    assert wwid[0] >> 4 == 6
    company = int.from_bytes(wwid[:4], "big") >> 4 & 0xFFFFFF
    assert company >> 16 & 0x0F == 0x2  # locally administered, and no registered CID (low nibble Ah)


def test_what_is_declared_wins() -> None:
    wish = IdentityWish("ACME", "ROCKET", "9", "S1", b"\x60" + bytes(15))
    made = derive(b"a" * 16, "iqn.x:1", 0, wish, NAMES)
    assert (made.vendor, made.product, made.revision, made.serial, made.wwid) == (
        "ACME",
        "ROCKET",
        "9",
        "S1",
        b"\x60" + bytes(15),
    )


def test_a_device_has_the_names_of_its_type() -> None:
    made = derive(b"a" * 16, "iqn.x:1", 0, IdentityWish(None, "mine", None, None, None), NAMES)
    assert (made.vendor, made.product, made.revision) == ("TGTD", "mine", "1")
