"""A bay with a real drive and cartridges in files."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scsi.smc.library import LAYOUT, SETTINGS
from tests.scsi.workbench import CHECK_CONDITION, IDENTITY, TUR, Bench, sense_of
from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.media.codecs import codecs
from tgtd.media.library import LibraryMedium
from tgtd.media.tape import TapeMedium
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.smc.bay import DriveBay
from tgtd.scsi.smc.changer import Changer
from tgtd.scsi.smc.shelf import DriveName
from tgtd.scsi.ssc.drive import TapeDrive, TapeSettings
from tgtd.scsi.ssc.personality import PERSONALITIES


def finding(devices: Mapping[int, AnyDevice]) -> Callable[[str | None, int], AnyDevice | None]:
    """How a changer finds the devices of its target."""
    return lambda target, lun: devices.get(lun) if target is None else None


class Shop(Bench):
    """LUN 0 is the changer, LUNs 1 and 2 are its drives. The tapes are A00001L8, OLD001L4, CLNU01L8, BAD001L8."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.place = place
        for barcode, kind, density in (
            ("A00001L8", "data", 0x5E),
            ("OLD001L4", "data", 0x46),
            ("CLNU01L8", "clean", 0x5E),
            ("BAD001L8", "data", 0x5E),
        ):
            Cartridge.create(str(place / f"{barcode}.tape"), Making(barcode, 8 << 20, kind, density)).close()
        (place / "BAD001L8.tape").rename(place / "BAD002L8.tape")
        identity = replace(IDENTITY, vendor="IBM", product="ULT3580-TD8", serial="S1")
        self.drives = [
            TapeDrive(identity, self.pool, self.lane, TapeSettings(PERSONALITIES["lto-8"], codecs)) for _ in range(2)
        ]
        self.changer = Changer(IDENTITY, self.pool, self.lane, SETTINGS)
        for number, device in enumerate((self.changer, *self.drives)):
            self.target.add_lun(number, device)
        self.changer.meet(finding({0: self.changer, 1: self.drives[0], 2: self.drives[1]}))
        for drive in self.drives:
            drive.insert(TapeMedium(None))
        self.changer.insert(LibraryMedium.open(str(place)))
        self.lane.drain()
        self.ready(0, 1, 2)

    def put(self, barcode: str, address: int = 500) -> None:
        source = self.changer.inventory.find(barcode) or 0
        self.good(b"\xa5\0\0\0" + source.to_bytes(2, "big") + address.to_bytes(2, "big") + bytes(4))
        self.lane.drain()


WRITE, HELLO = bytes.fromhex("0a0000000500"), b"hello"
OUT = bytes.fromhex("a500 0000 01f4 03ed 00000000")
"""From the first drive to slot 1005."""


def full() -> None:
    raise OSError(errno.EIO, "Input/output error")


def deferred(shop: Shop, lun: int = 1) -> tuple[int, int, int]:
    """What the next command of the drive is told of one before it."""
    task = shop.run(TUR, lun=lun)
    assert (task.status, task.sense[0] & 0x7F) == (CHECK_CONDITION, 0x71)
    return sense_of(task)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_in_and_out(shop: Shop) -> None:
    assert shop.refused(TUR, lun=1) == (2, 0x3A, 0)
    shop.put("A00001L8")
    assert shop.refused(TUR, lun=1) == (6, 0x28, 0)
    shop.good(TUR, lun=1)
    shop.good(bytes.fromhex("0a0000000500"), b"hello", lun=1)
    shop.put("A00001L8", 501)
    assert shop.refused(TUR, lun=1) == (2, 0x3A, 0)
    shop.ready(2)
    assert shop.good(bytes.fromhex("080000000500"), lun=2) == b"hello"
    assert shop.changer.bays[500].identifier == (2, 1, b"IBM     ULT3580-TD8     S1")


@pytest.mark.parametrize(
    ("barcode", "sense"),
    [("OLD001L4", (3, 0x30, 0)), ("CLNU01L8", (2, 0x30, 3)), ("BAD002L8", (3, 0x53, 0))],
)
def test_what_a_drive_does_not_take(shop: Shop, barcode: str, sense: tuple[int, int, int]) -> None:
    """It is in there, says why, looks once, and can be taken out again."""
    shop.put(barcode)
    assert shop.refused(TUR, lun=1) == sense
    one = next(status for status in shop.changer.statuses() if status.address == 500)
    assert one.volume is not None
    assert one.trouble is not None
    assert (one.trouble.asc, one.trouble.ascq) == sense[1:]
    shop.changer.looked_at()
    shop.lane.drain()
    assert shop.refused(TUR, lun=1) == sense
    shop.put(barcode, 1005)
    assert shop.refused(TUR, lun=1) == (2, 0x3A, 0)
    shop.put("A00001L8")
    shop.ready(1)


def test_a_file_that_comes_back(shop: Shop) -> None:
    """Missing when the robot puts the cartridge in; used as soon as it is there again."""
    file = shop.place / "A00001L8.tape"
    file.rename(shop.place / "away")
    shop.put("A00001L8")
    shop.changer.looked_at()
    shop.lane.drain()
    assert shop.refused(TUR, lun=1) == (3, 0x53, 0)
    (shop.place / "away").rename(file)
    shop.changer.looked_at()
    shop.lane.drain()
    shop.ready(1)


def test_removal_is_prevented(shop: Shop) -> None:
    shop.put("A00001L8")
    shop.ready(1)
    shop.good(bytes.fromhex("1e0000000100"), lun=1)
    assert shop.refused(bytes.fromhex("a500 0000 01f4 03ed 00000000")) == (5, 0x53, 2)
    shop.good(bytes.fromhex("1e0000000000"), lun=1)
    shop.put("A00001L8", 1005)


def test_a_drive_that_goes_and_comes(shop: Shop) -> None:
    shop.put("A00001L8")
    mount = shop.drives[0].offline()
    assert mount is not None
    assert shop.refused(bytes.fromhex("a500 0000 01f4 03ed 00000000")) == (2, 4, 3)
    mount.close()
    shop.drives[0].insert(TapeMedium(None))
    shop.lane.drain()
    shop.ready(1)


def test_a_drive_that_leaves_the_library(shop: Shop) -> None:
    """It gives its cartridge back, and is a drive of its own."""
    shop.put("A00001L8")
    layout = replace(LAYOUT, drives=replace(LAYOUT.drives, count=1))
    shop.changer.change(replace(SETTINGS, layout=layout, drives=(DriveName(None, 2),)), IDENTITY)
    shop.changer.meet(finding({1: shop.drives[0], 2: shop.drives[1]}))
    shop.lane.drain()
    bay = shop.changer.bays[500]
    assert isinstance(bay, DriveBay)
    assert bay.drive is shop.drives[1]
    assert shop.drives[0].cartridge is None
    assert shop.drives[0].mounted is None
    assert bay.holds == "A00001L8"


def test_a_drive_that_leaves_while_it_is_filled(shop: Shop) -> None:
    """The cartridge does not get lost in it: it can be had at once."""
    source = shop.changer.inventory.find("A00001L8") or 0
    shop.start(b"\xa5\0\0\0" + source.to_bytes(2, "big") + b"\x01\xf4" + bytes(4))
    shop.changer.meet(finding({2: shop.drives[1]}))
    shop.lane.drain()
    assert shop.drives[0].cartridge is None
    Cartridge.open(str(shop.place / "A00001L8.tape")).close()


def test_a_library_that_is_made_anew(shop: Shop) -> None:
    """It finds its cartridge in the drive, where it left it."""
    shop.put("A00001L8")
    inside = shop.drives[0].cartridge
    again = Changer(IDENTITY, shop.pool, shop.lane, SETTINGS)
    again.remember(shop.changer.memory)
    again.meet(finding({1: shop.drives[0], 2: shop.drives[1]}))
    again.insert(LibraryMedium.open(str(shop.place)))
    shop.lane.drain()
    assert shop.drives[0].cartridge is inside
    assert again.bays[500].usable
    assert again.inventory == shop.changer.inventory


@pytest.mark.parametrize("verb", ["count_load", "close"])
def test_what_nobody_has_thought_of_is_in_the_log(
    shop: Shop, verb: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No command waits for it, and the robot goes on."""

    def fail(*_: object) -> None:
        raise RuntimeError("nobody has thought of that")

    plain = Cartridge.close
    with monkeypatch.context() as patch:
        patch.setattr(Cartridge, verb, fail)
        shop.put("A00001L8")
        inside = shop.drives[0].cartridge
        assert isinstance(inside, Cartridge)
        shop.put("A00001L8", 1005)
    assert "nobody has thought of that" in caplog.text
    assert shop.drives[0].faults == 1
    if verb == "close":
        plain(inside)
    shop.put("A00001L8")
    shop.ready(1)


def test_what_was_written_cannot_be_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The robot is told, and the drive's initiators; the cartridge stays where it is, and can be taken out later."""
    shop.put("A00001L8")
    shop.ready(1)
    shop.good(WRITE, HELLO, lun=1)
    with monkeypatch.context() as patch:
        patch.setattr(shop.drives[0].cartridge, "synchronize", full)
        assert shop.refused(OUT) == (4, 0x53, 1)
    assert shop.changer.inventory.find("A00001L8") == 500
    assert deferred(shop) == (3, 0x0C, 0)
    shop.good(TUR, lun=1)
    assert (shop.drives[0].counters.medium_errors, shop.changer.counters.errors) == (1, 1)
    shop.put("A00001L8", 501)
    shop.ready(2)
    assert shop.good(bytes.fromhex("080000000500"), lun=2) == HELLO


def test_it_cannot_be_closed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """By then it is out."""
    shop.put("A00001L8")
    shop.ready(1)
    shop.good(WRITE, HELLO, lun=1)
    cartridge = shop.drives[0].cartridge
    assert cartridge is not None
    close = cartridge.close

    def spoiled() -> None:
        close()
        full()

    monkeypatch.setattr(cartridge, "close", spoiled)
    shop.good(OUT)
    assert shop.changer.inventory.find("A00001L8") == 1005
    assert deferred(shop) == (3, 0x0C, 0)
    assert shop.refused(TUR, lun=1) == (2, 0x3A, 0)


def test_a_drive_that_leaves_with_what_cannot_be_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asked the robot, so nobody could be refused: the cartridge comes out, and the drive's initiators hear."""
    shop.put("A00001L8")
    shop.ready(1)
    shop.good(WRITE, HELLO, lun=1)
    monkeypatch.setattr(shop.drives[0].cartridge, "synchronize", full)
    monkeypatch.setattr(shop.drives[0].cartridge, "write_label", full)
    layout = replace(LAYOUT, drives=replace(LAYOUT.drives, count=1))
    shop.changer.change(replace(SETTINGS, layout=layout, drives=(DriveName(None, 2),)), IDENTITY)
    shop.changer.meet(finding({1: shop.drives[0], 2: shop.drives[1]}))
    shop.lane.drain()
    assert shop.drives[0].cartridge is None
    assert deferred(shop) == (3, 0x0C, 0)


@pytest.mark.parametrize("cdb", ["132400000000", "132000000000", "190300000000"])
def test_the_robot_does_not_wait_for_what_may_take_hours(shop: Shop, cdb: str) -> None:
    """VERIFY to the end of data, with IMMED and without, and ERASE with IMMED."""
    shop.put("A00001L8")
    shop.ready(1)
    shop.good(WRITE, HELLO, lun=1)
    shop.good(bytes.fromhex("010000000000"), lun=1)
    shop.start(bytes.fromhex(cdb), lun=1)
    task = shop.start(OUT)
    assert (task.status, sense_of(task)) == (CHECK_CONDITION, (5, 0x53, 2))
    shop.lane.drain()
    shop.good(OUT)


@pytest.mark.parametrize("cdb", ["132400000000", "132000000000", "190300000000"])
def test_nor_for_what_waits_for_the_tape_itself(shop: Shop, cdb: str) -> None:
    shop.put("A00001L8")
    shop.ready(1)
    shop.good(WRITE, HELLO, lun=1)
    filemark = shop.start(bytes.fromhex("100000000100"), lun=1)
    shop.start(bytes.fromhex(cdb), lun=1)
    assert len(shop.lane.jobs) == 1
    task = shop.start(OUT)
    assert (task.status, sense_of(task)) == (CHECK_CONDITION, (5, 0x53, 2))
    shop.lane.drain()
    assert filemark.status == 0
    assert not shop.drives[0].occupied
    shop.good(OUT)


def test_a_drive_that_leaves_while_it_verifies(shop: Shop) -> None:
    """That is given up, as its cartridge has to come out."""
    shop.put("A00001L8")
    shop.ready(1)
    shop.good(WRITE, HELLO, lun=1)
    shop.good(bytes.fromhex("010000000000"), lun=1)
    assert shop.start(bytes.fromhex("132400000000"), lun=1).status == 0
    errand = shop.drives[0].errand
    assert errand is not None
    shop.changer.meet(finding({2: shop.drives[1]}))
    shop.lane.step(1)  # the robot looks, while the drive is still busy
    assert errand.unwanted()
    shop.lane.drain()
    assert shop.drives[0].cartridge is None


def test_it_does_wait_for_what_does_not(shop: Shop) -> None:
    shop.put("A00001L8")
    shop.ready(1)
    write, task = shop.start(WRITE, HELLO, lun=1), shop.start(OUT)
    shop.lane.drain()
    assert [write.status, task.status] == [0, 0]


@pytest.mark.parametrize("steps", [0, 1], ids=["for a command", "for what was written"])
def test_removal_is_prevented_while_the_robot_waits(shop: Shop, steps: int) -> None:
    shop.put("A00001L8")
    shop.ready(1)
    shop.good(WRITE, HELLO, lun=1)
    filemark, task = shop.start(bytes.fromhex("100000000100"), lun=1), shop.start(OUT)
    for _ in range(steps):
        shop.lane.step()
    assert (filemark in shop.done, task in shop.done, len(shop.lane.jobs)) == (steps > 0, False, 1)
    prevent = shop.start(bytes.fromhex("1e0000000100"), lun=1)
    shop.lane.drain()
    assert [filemark.status, prevent.status] == [0, 0]
    assert (task.status, sense_of(task)) == (CHECK_CONDITION, (5, 0x53, 2))
    shop.good(TUR, lun=1)
    shop.good(bytes.fromhex("1e0000000000"), lun=1)
    shop.good(OUT)
    assert shop.drives[0].cartridge is None


def test_one_file_in_two_libraries(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The second that wants it does without, says why, and gets it when the first has done with it."""
    place = tmp_path_factory.mktemp("other")
    (place / "A00001L8.tape").hardlink_to(shop.place / "A00001L8.tape")
    layout = replace(LAYOUT, drives=replace(LAYOUT.drives, count=1))
    other = Changer(IDENTITY, shop.pool, shop.lane, replace(SETTINGS, layout=layout, drives=(DriveName(None, 2),)))
    shop.changer.change(replace(SETTINGS, layout=layout, drives=(DriveName(None, 1),)), IDENTITY)
    for changer in (shop.changer, other):
        changer.meet(finding({1: shop.drives[0], 2: shop.drives[1]}))
    other.insert(LibraryMedium.open(str(place)))
    shop.target.add_lun(3, other)
    shop.lane.drain()
    shop.ready(0, 1, 2, 3)
    shop.put("A00001L8")
    shop.good(bytes.fromhex("a500 0000 03e8 01f4 00000000"), lun=3)
    assert shop.refused(TUR, lun=2) == (3, 0x53, 0)
    told = f"cartridge A00001L8 cannot be used: {place}/A00001L8.tape is in use by another LUN or program"
    assert [one.startswith(told) for one in other.worries()] == [True]
    shop.good(OUT)
    other.looked_at()
    shop.lane.drain()
    assert list(other.worries()) == []
    shop.ready(2)
    shop.good(TUR, lun=2)
