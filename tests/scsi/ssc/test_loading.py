"""tgtd.scsi.ssc.loading: which cartridges a drive takes, and cleaning ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scsi.ssc.taping import MIB, Tape, other
from tests.scsi.workbench import TUR
from tgtd.media.cartridge.cartridge import MOST_CLEANINGS, Cartridge, Making
from tgtd.media.tape import TapeMedium
from tgtd.scsi.ssc.loading import MEMORY

LOAD = bytes.fromhex("1b0000000100")


def put(tape: Tape, place: Path, kind: str = "data", density: int = 0x5E, writable: bool = True) -> Cartridge:
    """Another cartridge into the drive."""
    old = tape.drive.offline()
    assert old is not None
    old.close()
    file = place / "other"
    if not file.exists():
        Cartridge.create(str(file), Making("CLN001L8", 2 * MIB, kind, density)).close()
    tape.cartridge = Cartridge.open(str(file), writable)
    tape.drive.insert(TapeMedium(tape.cartridge))
    tape.lane.drain()
    tape.ready()
    return tape.cartridge


def alerts(tape: Tape) -> set[int]:
    page = tape.good(bytes.fromhex("4d006e00000000020000"))
    return {page[at + 1] for at in range(4, len(page), 5) if page[at + 4]}


def test_loads_are_counted_and_kept(tape: Tape) -> None:
    assert tape.cartridge.loads == 1
    tape.good(bytes.fromhex("1b0000000000"))
    tape.good(LOAD)
    assert tape.cartridge.loads == 1, "it was in the drive all the time"
    tape.cartridge.close()
    tape.cartridge = Cartridge.open(str(tape.file))
    assert tape.cartridge.loads == 1


def test_reading_alone_writes_no_label_but_for_the_count(tape: Tape, tmp_path: Path) -> None:
    tape.cartridge.close()
    before = tape.file.read_bytes()
    Cartridge.open(str(tape.file)).close()
    assert tape.file.read_bytes() == before
    tape.cartridge = Cartridge.open(str(tape.file))


def test_a_cleaning_cartridge(tape: Tape, tmp_path: Path) -> None:
    cartridge = put(tape, tmp_path, "clean")
    assert tape.refused(TUR) == (2, 0x30, 3)
    assert tape.refused(LOAD) == (2, 0x30, 3)
    assert tape.refused(bytes.fromhex("080000000300")) == (2, 0x30, 3)
    assert (cartridge.loads, tape.drive.counters.cleanings) == (1, 1)
    assert alerts(tape) == {0x0B}
    os.close(cartridge._fd)
    tape.drive.take_out()
    assert tape.refused(TUR) == (2, 0x3A, 0)
    assert not tape.drive.alerts.active()
    tape.cartridge = Cartridge.open(str(tmp_path / "other"))
    assert tape.cartridge.loads == 1, "durable at once"


def test_a_restart_is_no_other_use(tape: Tape, tmp_path: Path) -> None:
    """The drive comes up with the cartridge that it had; another one in between, and it is used anew."""
    assert put(tape, tmp_path, "clean").loads == 1
    kept = tape.drive.memory.recall(MEMORY)
    assert kept == tape.cartridge.serial.encode()

    again = other(tmp_path / "again")
    again.drive.memory = tape.drive.memory
    old = again.drive.offline()
    assert old is not None
    old.close()
    tape.cartridge.close()
    again.drive.insert(TapeMedium(Cartridge.open(str(tmp_path / "other"))))
    again.lane.drain()
    again.ready()
    assert again.refused(TUR) == (2, 0x30, 3)
    assert again.drive.cartridge is not None
    assert (again.drive.cartridge.loads, again.drive.counters.cleanings) == (1, 0)
    assert alerts(again) == {0x0B}

    medium = again.drive.offline()
    assert medium is not None
    medium.close()
    Cartridge.create(str(tmp_path / "data"), Making("A00002L8", 2 * MIB)).close()
    again.drive.insert(TapeMedium(Cartridge.open(str(tmp_path / "data"))))
    again.lane.drain()
    assert again.drive.memory.recall(MEMORY) is None
    tape.cartridge = put(again, tmp_path)
    assert tape.cartridge.loads == 2


def test_what_the_robot_takes_out_is_used_anew(tape: Tape, tmp_path: Path) -> None:
    put(tape, tmp_path, "clean")
    tape.drive.take_out()
    tape.cartridge.close()
    assert put(tape, tmp_path, "clean").loads == 2


def test_one_that_is_used_up(tape: Tape, tmp_path: Path) -> None:
    for _ in range(MOST_CLEANINGS):
        put(tape, tmp_path, "clean")
        assert tape.refused(TUR) == (2, 0x30, 3)
        assert not list(tape.drive.worries())
        tape.drive.take_out()
        tape.cartridge.close()
    cartridge = put(tape, tmp_path, "clean")
    assert tape.refused(TUR) == (2, 0x30, 0x0B)
    assert tape.refused(LOAD) == (2, 0x30, 0x0B)
    assert alerts(tape) == {0x16}
    assert (cartridge.loads, tape.drive.counters.cleanings) == (MOST_CLEANINGS, MOST_CLEANINGS)
    assert [worry[:50] for worry in tape.drive.worries()] == ["cleaning cartridge CLN001L8 was used as often as i"]


def test_one_that_cannot_be_counted(tape: Tape, tmp_path: Path) -> None:
    put(tape, tmp_path, "clean")
    tape.drive.take_out()
    tape.cartridge.close()
    cartridge = put(tape, tmp_path, "clean", writable=False)
    assert tape.refused(TUR) == (2, 0x30, 0x0B)
    assert (cartridge.loads, tape.drive.counters.cleanings) == (1, 1)


def test_another_generation(tape: Tape, tmp_path: Path) -> None:
    """The drive says so, counts no error of the medium, and takes the next one."""
    cartridge = put(tape, tmp_path, density=0x58)
    for _ in range(3):
        assert tape.refused(TUR) == (3, 0x30, 0)
    assert tape.refused(LOAD) == (3, 0x30, 0)
    assert cartridge.loads == 1
    assert alerts(tape) == {0x0C}
    assert tape.drive.tally.total.unread == 0
    assert next(iter(tape.drive.worries())).startswith("cartridge CLN001L8 (density 58h) is none that lto-8")
    (tmp_path / "other").unlink()
    put(tape, tmp_path)
    assert tape.run(TUR).status == 0
    assert not list(tape.drive.worries())


def test_one_that_was_never_written_suits_all(tape: Tape, tmp_path: Path) -> None:
    """It is one of the first drive's from then on."""
    cartridge = put(tape, tmp_path, density=0)
    tape.write(b"one")
    assert cartridge.density == 0x5E
    cartridge.close()
    tape.cartridge = Cartridge.open(str(tmp_path / "other"))
    assert tape.cartridge.density == 0x5E


def test_a_format_keeps_what_the_cartridge_is_made_for(tmp_path: Path) -> None:
    tape = other(tmp_path / "x", personality="lto-8")
    cartridge = put(tape, tmp_path, density=0x5C)
    tape.good(bytes.fromhex("040000000000"))
    assert cartridge.density == 0x5C


def test_what_is_lost_is_told(tape: Tape, tmp_path: Path) -> None:
    tape.write(*(bytes(5000) for _ in range(9)))
    tape.good(bytes.fromhex("100000000100"))
    tape.cartridge.write_label()
    tape.cartridge.close()
    os.truncate(tape.file, 530 << 10)
    tape.cartridge = Cartridge.open(str(tape.file))
    tape.drive.medium = None
    tape.drive.insert(TapeMedium(tape.cartridge))
    tape.lane.drain()
    assert [worry[:43] for worry in tape.drive.worries()] == ["partition 0 of cartridge A00001L8 has lost "]


@pytest.mark.parametrize("kind", ["data", "clean"])
def test_it_is_taken_out_before_it_was_counted(tape: Tape, tmp_path: Path, kind: str) -> None:
    tape.drive.take_out()
    Cartridge.create(str(tmp_path / "x"), Making("X", 2 * MIB, kind, 0x5E)).close()
    cartridge = Cartridge.open(str(tmp_path / "x"))
    tape.drive.put_in(cartridge)
    tape.drive.take_out()
    tape.lane.drain()
    tape.ready()
    assert tape.refused(TUR) == (2, 0x3A, 0)
    assert not tape.drive.alerts.active()
    cartridge.close()
