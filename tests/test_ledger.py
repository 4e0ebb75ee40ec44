"""tgtd.ledger: a crash at any step leaves what was before or what is after; damage is told and nothing is lost."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.inside import IQN, Inside, attached, inside
from tests.scsi.reserving import APTPL, CONFLICT, EA, PREEMPT, REGISTER, REPLACE_LOST, RESERVE, WE_RO, out
from tgtd import folder, ledger
from tgtd.folder import MALFORMED, sealed
from tgtd.ledger import Ledger, boot_id, decode, encode
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.reservation.state import Registrant, State
from tgtd.scsi.reservation.transportid import iscsi_port
from tgtd.scsi.reservation.types import TYPES
from tgtd.scsi.task import SIMPLE, Task
from tgtd.units import UnitState

WWID = bytes.fromhex("6027467000000000000000000000abcd")
A, B = (Registrant(iscsi_port(f"iqn.2026-11.org.test:{name},i,0x000000000001"), 1) for name in "ab")
BEFORE = State(3, {A: 1, B: 2}, TYPES[5], A, True)
AFTER = State(4, {B: 0xFFFFFFFFFFFFFFFF}, TYPES[8])


@pytest.fixture
def kept(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path, boot="this")
    ledger.save(WWID, "iqn.t LUN 1", BEFORE)
    return ledger


@pytest.mark.parametrize("state", [State(), BEFORE, AFTER, State(9, {A: 1}), State(1, {A: 1}, TYPES[3], A)])
def test_round_trip(tmp_path: Path, state: State) -> None:
    ledger = Ledger(tmp_path)
    ledger.save(WWID, "iqn.t LUN 1", state)
    assert Ledger(tmp_path).load(WWID) == (state, None)
    assert list(Ledger(tmp_path).load(WWID).state.keys) == list(state.keys), "in the same order"


def test_nothing_was_ever_kept(tmp_path: Path) -> None:
    assert Ledger(tmp_path).load(WWID) == (State(), None)
    assert not (tmp_path / "reservations").exists(), "looking leaves no traces"


def test_for_people_and_for_nobody_else(kept: Ledger) -> None:
    path = kept.path(WWID)
    record = json.loads(path.read_text())
    assert record["lun"] == "iqn.t LUN 1"
    assert record["registrations"][0]["initiator"] == "iqn.2026-11.org.test:a,i,0x000000000001"
    assert record["registrations"][0]["key"] == "0x0000000000000001"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_restart_of_the_host_is_a_loss_of_power(tmp_path: Path) -> None:
    """SPC-5 5.14.5.1: what APTPL preserves stays, PRGENERATION begins anew."""
    Ledger(tmp_path, "first").save(WWID, "", BEFORE)
    assert Ledger(tmp_path, "second").load(WWID).state == State(0, BEFORE.keys, BEFORE.type, BEFORE.holder, True)
    Ledger(tmp_path, "first").save(WWID, "", AFTER)
    assert Ledger(tmp_path, "first").load(WWID).state == AFTER
    assert Ledger(tmp_path, "second").load(WWID).state == State()


@pytest.mark.parametrize(("then", "now"), [("", "x"), ("x", ""), ("", "")])
def test_without_a_boot_id_all_is_kept(tmp_path: Path, then: str, now: str) -> None:
    Ledger(tmp_path, then).save(WWID, "", AFTER)
    assert Ledger(tmp_path, now).load(WWID).state == AFTER


def test_boot_id(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert len(boot_id()) == 36
    monkeypatch.setattr(ledger, "_BOOT_ID", tmp_path / "none")
    assert boot_id() == ""


# Crashes


class Crash(BaseException):
    """The process ends here."""


CALLS = ("open", "write", "fsync", "close", "rename", "link", "unlink", "mkdir")


class Syscalls:
    """Stands for `os` in the ledger: the call number `stop` does not return. half: it writes half of what it was told
    before that; error: it fails instead of crashing."""

    def __init__(self, stop: int = -1, done: bool = False, error: OSError | None = None) -> None:
        self.stop = stop
        self.done = done
        self.error = error
        self.trace: list[str] = []
        self.names: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*arguments: Any, **more: Any) -> Any:
            number = len(self.trace)
            self.trace.append(name)
            if number != self.stop:
                return real(*arguments, **more)
            if self.error is not None:
                raise self.error
            if name == "write":
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
            elif self.done:
                real(*arguments, **more)
            raise Crash

        return call


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The system calls of one change."""
    ledger = Ledger(tmp_path / "x", "this")
    (tmp_path / "x").mkdir()
    ledger.save(WWID, "", BEFORE)
    calls = Syscalls()
    with monkeypatch.context() as patch:
        patch.setattr(folder, "os", calls)
        ledger.save(WWID, "", AFTER)
    return calls.trace


def test_order_of_the_steps(steps: list[str]) -> None:
    """Nothing gets its name before it is on the disk, and no answer is given before the name is."""
    assert steps == ["open", "write", "fsync", "close", "rename", "open", "fsync", "close"]


@pytest.mark.parametrize("done", [False, True])
def test_a_crash_at_any_step(kept: Ledger, monkeypatch: pytest.MonkeyPatch, steps: list[str], done: bool) -> None:
    found = []
    for stop in range(len(steps)):
        kept.save(WWID, "", BEFORE)
        with monkeypatch.context() as patch:
            patch.setattr(folder, "os", Syscalls(stop, done))
            with pytest.raises(Crash):
                kept.save(WWID, "", AFTER)
        state, damage = Ledger(kept.folder.parent, "this").load(WWID)
        assert damage is None
        assert state in (BEFORE, AFTER)
        found.append(state == AFTER)
        kept.save(WWID, "", AFTER)  # what a crash left lying about is in nobody's way
        assert kept.load(WWID).state == AFTER
    assert found == sorted(found), "once it is there it stays"
    assert found[-1]


def test_a_crash_while_the_first_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stop in range(11):
        state = tmp_path / str(stop)
        state.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(folder, "os", Syscalls(stop))
            with pytest.raises(Crash):
                Ledger(state, "this").save(WWID, "", AFTER)
        assert Ledger(state, "this").load(WWID) in ((State(), None), (AFTER, None))


def test_an_error_at_any_step_changes_nothing(kept: Ledger, monkeypatch: pytest.MonkeyPatch, steps: list[str]) -> None:
    for stop in range(len(steps)):
        with monkeypatch.context() as patch:
            patch.setattr(folder, "os", Syscalls(stop, error=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
            with pytest.raises(OSError, match="No space"):
                kept.save(WWID, "", AFTER)
        assert kept.load(WWID) == (BEFORE, None), steps[stop]
        assert [path.name for path in kept.folder.iterdir()] == [kept.path(WWID).name]


def test_an_error_after_the_first_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        if folder.name == "reservations":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(folder, "_sync", fail)
    ledger = Ledger(tmp_path, "this")
    with pytest.raises(OSError, match="Input/output"):
        ledger.save(WWID, "", AFTER)
    assert ledger.load(WWID) == (State(), None)


def test_the_folder_is_durable_before_the_first_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when another thread, or a process that crashed, has just made it."""
    (tmp_path / "reservations").mkdir()
    synced: list[Path] = []
    monkeypatch.setattr(folder, "_sync", synced.append)
    ledger = Ledger(tmp_path, "this")
    ledger.save(WWID, "", BEFORE)
    ledger.save(WWID, "", AFTER)
    assert synced == [tmp_path, ledger.folder, ledger.folder]


def test_no_link_leads_elsewhere(kept: Ledger, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    kept.path(WWID).with_suffix(".draft").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        kept.save(WWID, "", AFTER)
    assert victim.read_text() == "precious"


# Damage

GOOD = encode(BEFORE, WWID, "iqn.t LUN 1", "this")


def resigned(change: Callable[[dict[str, Any]], object]) -> bytes:
    """With a checksum that is right: what another version of us might have written."""
    record = json.loads(GOOD)
    del record["checksum"]
    change(record)
    return sealed(record)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "Expecting value"),
        (GOOD[:100], "Expecting|Unterminated|delimiter"),
        (b"\xff\xfe\xff", "codec|Expecting"),
        (b"[]", "TypeError|AttributeError"),
        (b"[" * 100_000, "RecursionError"),
        (b"{}", "checksum"),
        (GOOD.replace(b'"port": 1', b'"port": 2', 1), "checksum is wrong"),
        (resigned(lambda r: r.update(version=2)), "of version 2"),
        (resigned(lambda r: r.update(wwid="60")), "about the unit 60"),
        (resigned(lambda r: r.update(type=4)), "KeyError: 4"),
        (resigned(lambda r: r.update(holder=7)), "IndexError|list index"),
        (resigned(lambda r: r.update(holder=None)), "no holder"),
        (resigned(lambda r: r.update(type=None)), "no holder"),
        (resigned(lambda r: r.update(registrations=[], holder=None, type=7)), "no holder"),
        (resigned(lambda r: r["registrations"][0].pop("key")), "KeyError: 'key'"),
        (resigned(lambda r: r.pop("boot")), "KeyError: 'boot'"),
    ],
)
def test_damage_is_told(kept: Ledger, text: bytes, why: str) -> None:
    kept.path(WWID).write_bytes(text)
    state, damage = kept.load(WWID)
    assert state == State()
    assert damage is not None
    assert damage.startswith(f"{kept.path(WWID)}: damaged (")
    assert "tgtctl reservations clear" in damage
    assert re.search(why, damage), damage


def test_a_damaged_file_is_not_lost(kept: Ledger) -> None:
    kept.path(WWID).write_bytes(GOOD[:-20])
    kept.path(WWID).with_suffix(".damaged").write_text("an older one")
    kept.save(WWID, "", AFTER)
    assert kept.path(WWID).with_suffix(".damaged").read_bytes() == GOOD[:-20]
    assert kept.load(WWID) == (AFTER, None)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 7))
def test_no_flipped_bit_goes_unseen(bit_at: int, bit: int) -> None:
    """It is refused, or it did not matter (the case of a hexadecimal digit, white space)."""
    text = bytearray(GOOD)
    text[bit_at] ^= 1 << bit
    try:
        state, _ = decode(bytes(text), WWID)
    except MALFORMED:
        return
    assert state == BEFORE


# Units


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        it.write(it.lun(1))
        yield it


def nexus(site: Inside, who: Registrant) -> Nexus:
    """This initiator, logged in, with nothing left to hear."""
    target = site.tree.targets[IQN].scsi
    found = Nexus(target, "iqn.x", "iqn.x,i,0x1", who.initiator)
    target.connect(found)
    attached(found, 1).regate()
    return found


def status(site: Inside, by: Nexus, cdb: bytes, data: bytes | None = None) -> tuple[int, bytes]:
    """Status, and the sense key with its codes."""
    done: list[Task] = []
    itl = attached(by, 1)
    itl.execute(Task(itl, 1, SIMPLE, cdb.ljust(16, b"\0"), 4096, done.append, data))
    site.turn_until(lambda: bool(done))
    sense = done[0].sense
    return done[0].status, sense and bytes((sense[2], sense[12], sense[13]))


WRITE = bytes.fromhex("2A000000000000000100")


def test_in_force_after_a_restart(site: Inside, tmp_path: Path) -> None:
    site.start()
    a, b = nexus(site, A), nexus(site, B)
    assert status(site, a, *out(REGISTER, 0, 1)) == (0, b"")
    assert status(site, a, *out(RESERVE, 1, kind=EA)) == (0, b"")
    assert status(site, b, WRITE, bytes(512))[0] == CONFLICT
    wwid = site.unit(1).device.identity.wwid
    assert Ledger(site.place / "state", "this").load(wwid).state == State(1, {A: 1}, TYPES[EA], A)
    with inside(tmp_path / "later") as later:
        shutil.copytree(site.place / "state", later.place / "state", dirs_exist_ok=True)
        later.write(later.lun(1))
        later.start()
        assert status(later, nexus(later, B), WRITE, bytes(512))[0] == CONFLICT
        assert status(later, nexus(later, A), WRITE, bytes(512)) == (0, b"")


def keep(site: Inside, text: bytes) -> Path:
    """Put a file there for the unit that is about to start."""
    wish = site.loader.load().targets[IQN].luns[1]
    path = site.ledger.path(site.tree.identity(IQN, wish).wwid)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    return path


def test_damaged(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    path = keep(site, b"{")
    site.start()
    assert f"{path}: damaged" in caplog.text
    unit = site.unit(1)
    assert unit.state is UnitState.ONLINE
    assert path.name in (unit.device.reservations.lost or "")
    a = nexus(site, A)
    assert status(site, a, WRITE, bytes(512)) == (2, bytes((7, 0x44, 1)))
    assert path.read_bytes() == b"{", "looking changes nothing"
    assert status(site, a, *out(REPLACE_LOST, 0, 1, kind=WE_RO, flags=APTPL)) == (0, b"")
    assert status(site, a, WRITE, bytes(512)) == (0, b"")
    assert path.with_suffix(".damaged").read_bytes() == b"{"


def test_restored_by_the_administrator(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    path = keep(site, b"{")
    site.start()
    unit = site.unit(1)
    unit.recover_reservations()
    site.turn_until(unit._page_lane.idle)
    assert unit.device.reservations.lost is not None
    path.write_bytes(encode(State(7, {A: 1}, TYPES[EA], A), unit.device.identity.wwid, "", "this"))
    b = nexus(site, B)
    with caplog.at_level(logging.INFO):
        unit.recover_reservations()
        site.turn_until(lambda: unit.device.reservations.lost is None)
    assert "known again" in caplog.text
    assert status(site, b, WRITE, bytes(512))[0] == CONFLICT
    assert status(site, nexus(site, A), WRITE, bytes(512)) == (0, b"")


def test_a_replacement_wins_over_the_look_at_a_damaged_file(site: Inside) -> None:
    keep(site, b"{")
    site.start()
    a, done = nexus(site, A), []
    cdb, data = out(REPLACE_LOST, 0, 1, kind=WE_RO)
    itl = attached(a, 1)
    itl.execute(Task(itl, 1, SIMPLE, cdb.ljust(16, b"\0"), 0, done.append, data))
    site.unit(1).recover_reservations()
    site.turn_until(lambda: bool(done))
    site.turn_until(site.unit(1)._page_lane.idle)
    assert site.unit(1).device.reservations.state.keys == {A: 1}


def test_unreadable(site: Inside) -> None:
    path = keep(site, b"")
    path.unlink()
    path.mkdir()
    site.start()
    assert site.unit(1).state is UnitState.PENDING
    assert site.unit(1).cause == f"{path}: Is a directory"
    path.rmdir()
    site.unit(1).retry()
    site.turn_until(lambda: site.unit(1).state is UnitState.ONLINE)


def test_cannot_be_kept(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    site.start()
    a, b = nexus(site, A), nexus(site, B)
    (site.place / "state").rename(site.place / "gone")
    assert status(site, a, *out(REGISTER, 0, 1)) == (2, bytes((4, 0x44, 0)))
    assert "could not be kept" in caplog.text
    assert str(site.place / "state") in caplog.text
    (site.place / "gone").rename(site.place / "state")
    assert status(site, b, *out(REGISTER, 0, 2)) == (0, b"")
    assert site.unit(1).device.reservations.state.keys == {B: 2}


def test_another_wwid_has_other_reservations(site: Inside) -> None:
    site.start()
    a = nexus(site, A)
    first = site.unit(1).device.identity.wwid
    status(site, a, *out(REGISTER, 0, 1))
    site.write(site.lun(1, more='wwid = "naa.60000000000000000000000000000042"'))
    site.reload()
    assert site.unit(1).device.reservations.known
    assert site.unit(1).device.reservations.state == State()
    a = nexus(site, A)
    assert status(site, a, *out(PREEMPT, 1, 1))[0] == CONFLICT
    site.write(site.lun(1))
    site.reload()
    assert site.unit(1).device.identity.wwid == first
    assert site.unit(1).device.reservations.state.keys == {A: 1}


def test_a_unit_that_moves_takes_its_last_change_along(site: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another number and on another file, but with its WWID: whoever reads it waits for who still writes."""
    same = 'wwid = "naa.60000000000000000000000000000042"'
    site.write(site.lun(1, more=same))
    site.start()
    a = nexus(site, A)
    gate, real = threading.Event(), site.ledger.save

    def slow(*arguments: Any) -> None:
        gate.wait(20)
        real(*arguments)

    monkeypatch.setattr(site.ledger, "save", slow)
    cdb, data = out(REGISTER, 0, 1)
    itl = attached(a, 1)
    itl.execute(Task(itl, 1, SIMPLE, cdb.ljust(16, b"\0"), 0, lambda task: None, data))
    site.loop.turn(0.02)
    site.write(site.lun(2, more=same))
    site.reloader.request("test")
    site.turn_until(lambda: 2 in site.tree.targets[IQN].units)
    site.loop.turn(0.05)
    assert site.unit(2).state is UnitState.PENDING
    gate.set()
    site.turn_until(lambda: site.unit(2).state is UnitState.ONLINE)
    assert site.unit(2).device.reservations.state.keys == {A: 1}


def test_the_medium_may_be_another(site: Inside) -> None:
    site.start()
    status(site, nexus(site, A), *out(REGISTER, 0, 1))
    site.write(site.lun(1, file="other.img"))
    site.reload()
    assert site.unit(1).device.reservations.state.keys == {A: 1}


def test_cleared_by_the_administrator(site: Inside) -> None:
    site.start()
    status(site, nexus(site, A), *out(REGISTER, 0, 1))
    ended: list[BaseException | None] = []
    site.unit(1).clear_reservations(ended.append)
    site.turn_until(lambda: bool(ended))
    assert ended == [None]
    assert site.ledger.load(site.unit(1).device.identity.wwid).state == State(2)
