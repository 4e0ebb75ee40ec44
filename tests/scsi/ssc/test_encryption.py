"""tgtd.scsi.ssc.encryption: whose parameters hold for whom, locks, and what ends them (SSC-5 4.2.22)."""

from __future__ import annotations

import pytest

from tests.scsi.ssc.keying import ALL, KEY, LOCAL, NOTHING, OTHER, PUBLIC, asked, page, set_key
from tests.scsi.ssc.taping import REWIND, Tape
from tests.scsi.test_log import parsed, sense
from tests.scsi.workbench import TUR, sense_of
from tgtd.media.tapecipher import TapeCipher
from tgtd.scsi.sense import PARAMETERS_CHANGED_BY_ANOTHER

STATUS = asked(0x20)
CHANGED = PARAMETERS_CHANGED_BY_ANOTHER[:3]


def check(tape: Tape, nexus: object = None) -> bytes | None:
    """Of the key that a nexus has."""
    cipher = tape.drive.keys.of(tape.itl(0, nexus)).cipher  # type: ignore[arg-type]
    return None if cipher is None else cipher.check


FIRST, SECOND = TapeCipher(KEY).check, TapeCipher(OTHER).check


def test_scopes(tape: Tape) -> None:
    """Shared by all that have none of their own; whoever goes back to PUBLIC shares again."""
    b, c = tape.connect("b"), tape.connect("c")
    tape.ready(nexus=b)
    tape.ready(nexus=c)
    set_key(tape, scope=ALL)
    assert [check(tape, nexus) for nexus in (None, b, c)] == [FIRST] * 3
    set_key(tape, scope=LOCAL, key=OTHER, nexus=b)
    assert [check(tape, nexus) for nexus in (None, b, c)] == [FIRST, SECOND, FIRST]
    scopes = [tape.good(STATUS, nexus=nexus)[4] for nexus in (tape.nexus, b, c)]
    assert scopes == [0x42, 0x21, 0x02]
    set_key(tape, scope=PUBLIC, nexus=b)
    assert check(tape, b) == FIRST
    set_key(tape, NOTHING)
    assert [check(tape, nexus) for nexus in (None, b, c)] == [None] * 3


def test_the_last_who_shares_is_the_one(tape: Tape) -> None:
    b = tape.connect("b")
    tape.ready(nexus=b)
    set_key(tape)
    set_key(tape, key=OTHER, nexus=b)
    tape.ready()
    assert [tape.good(STATUS, nexus=nexus)[4] for nexus in (tape.nexus, b)] == [0x02, 0x42]
    assert check(tape) == SECOND


def test_whoever_has_asked_is_told(tape: Tape) -> None:
    b, c = tape.connect("b"), tape.connect("c")
    for nexus in (b, c):
        tape.ready(nexus=nexus)
    tape.good(STATUS, nexus=b)
    set_key(tape)
    assert sense_of(tape.run(TUR, nexus=b)) == CHANGED
    assert tape.run(TUR, nexus=b).status == 0
    assert tape.run(TUR, nexus=c).status == 0, "it never asked"
    assert tape.run(TUR).status == 0, "it did it itself"
    set_key(tape, scope=LOCAL, nexus=b)
    assert tape.run(TUR).status == 0, "that concerns b alone"
    set_key(tape, key=OTHER)
    assert tape.run(TUR, nexus=b).status == 0, "b has its own"


def test_the_device_status_page_knows(tape: Tape) -> None:
    """EPP of the very high frequency data."""

    def present() -> bool:
        return bool(parsed(tape.good(sense(0x11)))[0][3] & 0x10)

    assert not present()
    set_key(tape, scope=LOCAL)
    assert present()
    set_key(tape, scope=PUBLIC)
    assert not present()


def test_counters_count(tape: Tape) -> None:
    def instance() -> int:
        return int.from_bytes(tape.good(STATUS)[8:12], "big")

    assert instance() == 0
    set_key(tape)
    first = instance()
    set_key(tape)
    assert instance() == first + 1
    tape.drive.keys._instance = 0xFFFFFFFF
    set_key(tape)
    assert instance() == 1


def test_a_lock(tape: Tape) -> None:
    """Whoever locked itself to a key does not write with another, or with none."""
    b = tape.connect("b")
    tape.ready(nexus=b)
    set_key(tape, scope=ALL | 1)
    tape.write(b"sealed")
    set_key(tape, key=OTHER, nexus=b)
    tape.ready()
    for cdb, data in (("0a0000000500", b"plain"), ("080000000500", None), ("130000000500", None)):
        assert tape.refused(bytes.fromhex(cdb), data) == (7, 0x2A, 0x13)
    assert tape.run(TUR).status == 0
    tape.good(REWIND)
    set_key(tape, scope=PUBLIC)
    assert tape.read(6).status != 0, "the key is another one"
    set_key(tape)
    assert tape.read(6).data_in == b"sealed"


def test_a_lock_outlives_a_reset(tape: Tape) -> None:
    set_key(tape, scope=ALL | 1)
    tape.drive.restore_defaults()
    assert check(tape) is None
    assert tape.refused(bytes.fromhex("0a0000000500"), b"plain") == (7, 0x2A, 0x13)
    assert tape.cartridge.partitions[0].objects == 0


@pytest.mark.parametrize(("flags", "left"), [(0x04, None), (0x00, FIRST)])
def test_demounting(tape: Tape, flags: int, left: bytes | None) -> None:
    b = tape.connect("b")
    tape.ready(nexus=b)
    set_key(tape, flags=flags)
    set_key(tape, scope=LOCAL, flags=flags, nexus=b)
    tape.good(bytes.fromhex("1b0000000000"))
    assert (check(tape), check(tape, b)) == (left, left)
    tape.good(bytes.fromhex("1b0000000100"))
    assert check(tape) == left


def test_a_nexus_that_is_lost(tape: Tape) -> None:
    """Its own parameters go with it, and what it shared stays."""
    b = tape.connect("b")
    tape.ready(nexus=b)
    set_key(tape, nexus=b)
    set_key(tape, scope=LOCAL | 1, key=OTHER)
    keys, itl = tape.drive.keys, tape.itl(0, b)
    tape.drive.lose(tape.itl())
    assert check(tape) == FIRST
    tape.drive.lose(itl)
    assert (check(tape, b), keys.scope(itl)) == (FIRST, PUBLIC)
    assert not keys._locks
    assert not keys._listeners


def test_a_page_takes_its_turn(tape: Tape) -> None:
    """What was sent before it is written without the key, what is sent after it with it."""
    data = page()
    tape.start(bytes.fromhex("0a0000000600"), b"before")
    tape.start(bytes.fromhex("b5200010000000000034") + b"\0\0", data)
    tape.start(bytes.fromhex("0a0000000600"), b"behind")
    tape.lane.drain()
    assert [task.status for task in tape.done[-3:]] == [0, 0, 0]
    tape.good(REWIND)
    set_key(tape, NOTHING)
    assert tape.read(6).data_in == b"before"
    assert sense_of(tape.read(6)) == (7, 0x74, 1)
