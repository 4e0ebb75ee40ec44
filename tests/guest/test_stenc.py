"""Encryption in tape drives, by stenc: it sets keys over sg, and st reads and writes what they are for."""

from __future__ import annotations

import os

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_tape import st

__all__ = ["st"]


@pytest.fixture
def sg(st: str, open_iscsi: OpenIscsi) -> str:
    """The drive's generic device."""
    return open_iscsi.generic(0)


def told(guest: Guest, sg: str) -> dict[str, str]:
    """What stenc says of a drive and the block that comes next."""
    lines = guest.run(f"stenc -f {sg} --detail", status=None).output.splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def read(guest: Guest, st: str) -> bool:
    """From the beginning: whether all of it came, and was what was written."""
    guest.run(f"mt-st -f {st} rewind")
    return guest.run(f"dd if={st} bs=64k status=none 2>&1 | cmp - /run/text", status=None).status == 0


def test_keys(guest: Guest, st: str, sg: str) -> None:
    for name in ("one", "two"):
        guest.run(f"printf '%s\\nkey {name}\\n' {os.urandom(32).hex()} >/run/key-{name}")
    assert told(guest, sg)["Drive Encryption"] == "off"
    guest.run(f"stenc -f {sg} -e on -a 1 -k /run/key-one")
    guest.run(f"seq 100000 >/run/text && mt-st -f {st} compression 1 && dd if=/run/text of={st} bs=64k status=none")
    assert read(guest, st)
    found = told(guest, sg)
    assert (found["Drive Encryption"], found["Drive Key Desc.(uKAD)"]) == ("on", "key one")
    guest.run(f"mt-st -f {st} rewind")
    assert told(guest, sg)["Volume Encryption"] == "Encrypted and able to decrypt"
    for wrong in ("off -a 1", "mixed -a 1 -k /run/key-two"):
        guest.run(f"stenc -f {sg} -e {wrong}")
        assert not read(guest, st), wrong
    found = told(guest, sg)
    assert found["Volume Encryption"].startswith("Encrypted, but unable to decrypt")
    assert found["Volume Key Desc.(uKAD)"] == "key one"
    guest.run(f"stenc -f {sg} -e mixed -a 1 -k /run/key-one")
    assert read(guest, st)


def test_protected_and_gone_with_the_mount(guest: Guest, st: str, sg: str) -> None:
    guest.run("cd /run && yes 1 | stenc -g 256 -k /run/key && echo plain >/run/text")
    guest.run(f"stenc -f {sg} -e on -a 1 -k /run/key --protect && dd if=/run/text of={st} status=none")
    guest.run(f"stenc -f {sg} -e rawread -a 1 -k /run/key")
    guest.run(f"mt-st -f {st} rewind")
    assert guest.run(f"dd if={st} bs=64k status=none", status=None).status == 1
    guest.run(f"stenc -f {sg} -e on -a 1 -k /run/key --unprotect && dd if=/run/text of={st} status=none")
    guest.run(f"stenc -f {sg} -e rawread -a 1 -k /run/key --ckod && mt-st -f {st} rewind")
    raw = guest.run(f"dd if={st} bs=64k status=none | od -An -v -tx1").output
    assert bytes.fromhex(raw)[:1] == b"\1"
    assert b"plain" not in bytes.fromhex(raw)
    guest.run(f"mt-st -f {st} offline && mt-st -f {st} load")
    assert told(guest, sg)["Drive Encryption"] == "off"
