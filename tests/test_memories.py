"""tgtd.memories: what units remember lies in the state directory, and damage is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inside import IQN, Inside, inside
from tgtd import memories as module
from tgtd.memories import Memories, decode, encode
from tgtd.scsi.memory import Unknown
from tgtd.scsi.sense import INTERNAL_TARGET_FAILURE, CheckCondition
from tgtd.units import UnitState

WWID = bytes.fromhex("6027467000000000000000000000abcd")
VALUES = {"pages": bytes(range(256)), "text": b""}


def test_round_trip(tmp_path: Path) -> None:
    memories = Memories(tmp_path)
    assert memories.load(WWID) == {}
    assert list(tmp_path.iterdir()) == [], "looking leaves no traces"
    memories.save(WWID, "iqn.t LUN 1", VALUES)
    assert Memories(tmp_path).load(WWID) == VALUES
    assert json.loads(memories.path(WWID).read_text())["lun"] == "iqn.t LUN 1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "Expecting value"),
        (b"[]", "TypeError"),
        (b"{}", "KeyError: 'checksum'"),
        (encode(VALUES, bytes(16), ""), "about the unit 0000"),
        (encode(VALUES, WWID, "x").replace(b'"x"', b'"y"'), "checksum"),
        (encode(VALUES, WWID, "").replace(b'"version": 1', b'"version": 2'), "of version 2"),
    ],
)
def test_damage_is_told(tmp_path: Path, text: bytes, why: str) -> None:
    memories = Memories(tmp_path)
    memories.folder.mkdir()
    memories.path(WWID).write_bytes(text)
    with pytest.raises(ValueError, match=why) as caught:
        memories.load(WWID)
    assert str(memories.path(WWID)) in str(caught.value)
    assert memories.path(WWID).read_bytes() == text


def test_no_flipped_bit_goes_unseen() -> None:
    good = encode(VALUES, WWID, "LUN 1")
    for at in range(len(good)):
        text = bytearray(good)
        text[at] ^= 1 << at % 8
        try:
            found = decode(bytes(text), WWID)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
        assert found == VALUES


# Units


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        it.write(it.lun(1))
        yield it


def keep(site: Inside, name: str, value: bytes | None, number: int = 1) -> BaseException | None:
    ended: list[BaseException | None] = []
    site.unit(number).device.memory.keep(name, value, ended.append)
    site.turn_until(lambda: bool(ended))
    return ended[0]


def test_a_unit_remembers(site: Inside) -> None:
    site.start()
    disk = site.unit(1).device
    assert keep(site, "a", b"1") is None
    assert keep(site, "b", b"2") is None
    assert keep(site, "a", None) is None
    assert (disk.memory.recall("a"), disk.memory.recall("b")) == (None, b"2")
    assert site.memories.load(disk.identity.wwid) == {"b": b"2"}


def test_it_is_durable_before_it_is_in_force(site: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    site.start()
    memory, wwid = site.unit(1).device.memory, site.unit(1).device.identity.wwid
    gate, real = threading.Event(), site.memories.save

    def slow(*arguments: Any) -> None:
        gate.wait(20)
        real(*arguments)

    monkeypatch.setattr(site.memories, "save", slow)
    ended: list[tuple[str, dict[str, bytes]]] = []
    for name in "ab":
        memory.keep(name, b"1", lambda error, name=name: ended.append((name, site.memories.load(wwid))))  # type: ignore[misc]
    site.loop.turn(0.02)
    assert memory.recall("a") is None
    gate.set()
    site.turn_until(lambda: len(ended) == 2)
    assert ended == [("a", {"a": b"1"}), ("b", {"a": b"1", "b": b"1"})]


def test_what_cannot_be_kept_is_refused(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    site.start()
    assert keep(site, "a", b"1") is None
    (site.place / "state").rename(site.place / "gone")
    error = keep(site, "a", b"2")
    assert isinstance(error, CheckCondition)
    assert error.sense == INTERNAL_TARGET_FAILURE
    assert "what it is to remember could not be kept" in caplog.text
    assert site.unit(1).device.memory.recall("a") == b"1"
    (site.place / "gone").rename(site.place / "state")
    assert keep(site, "b", b"3") is None
    assert site.memories.load(site.unit(1).device.identity.wwid) == {"a": b"1", "b": b"3"}


def test_a_unit_remembers_when_it_comes_again(site: Inside) -> None:
    site.start()
    keep(site, "a", b"1")
    site.write(site.lun(2))
    site.reload()
    site.write(site.lun(1, file="other.img"))
    site.reload()
    assert site.unit(1).device.memory.recall("a") == b"1"


def test_another_wwid_remembers_other_things(site: Inside) -> None:
    site.start()
    keep(site, "a", b"1")
    site.write(site.lun(1, more='wwid = "naa.60000000000000000000000000000042"'))
    site.reload()
    assert site.unit(1).device.memory.recall("a") is None
    site.write(site.lun(1))
    site.reload()
    assert site.unit(1).device.memory.recall("a") == b"1"


def test_a_damaged_memory_keeps_the_unit_away_until_somebody_decides(site: Inside) -> None:
    wish = site.loader.load().targets[IQN].luns[1]
    path = site.memories.path(site.tree.identity(IQN, wish).wwid)
    path.parent.mkdir()
    path.write_bytes(b"{")
    site.start()
    unit = site.unit(1)
    assert unit.state is UnitState.PENDING
    assert (unit.cause or "").startswith(f"{path}: damaged")
    assert isinstance(unit.device.memory, Unknown)
    path.unlink()
    unit.retry()
    site.turn_until(lambda: unit.state is UnitState.ONLINE)
    assert keep(site, "a", b"1") is None


def test_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file of a later tgtd is not misread by an older one."""
    monkeypatch.setattr(module, "VERSION", 9)
    text = encode(VALUES, WWID, "")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="of version 9"):
        decode(text, WWID)
