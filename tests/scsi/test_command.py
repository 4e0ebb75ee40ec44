"""tgtd.scsi.command: masks, tables, service actions."""

from __future__ import annotations

import pytest

from tgtd.scsi.command import ActionTable, Command, available, table
from tgtd.scsi.sense import CheckCondition


def _handler(unit: object, task: object) -> int:
    return 0


PLAIN = Command(0x28, "PLAIN", _handler, bytes.fromhex("28 18 FFFFFFFF 3F FFFF 04"))
ACTION = Command(0x9E, "ACTION", _handler, bytes.fromhex("9E 10" + "FF" * 8 + "FFFFFFFF 00 04"), action=0x10)
LONG = Command(0x7F, "LONG", _handler, bytes.fromhex("7F 04 00000000 00 18 0009 F8" + "FF" * 21), action=0x0009)


@pytest.mark.parametrize("bit", range(80))
def test_every_bit_of_a_plain_cdb(bit: int) -> None:
    """A bit that the mask lacks is refused where it stands; all others pass."""
    byte, low = divmod(bit, 8)
    cdb = bytearray(16)
    cdb[0] = 0x28
    cdb[byte] |= 1 << low
    if byte == 0 or PLAIN.usage[byte] >> low & 1:
        PLAIN.check(bytes(cdb))
        return
    with pytest.raises(CheckCondition) as refused:
        PLAIN.check(bytes(cdb))
    assert (refused.value.field, refused.value.bit) == (byte, low)


def test_service_action_is_no_reserved_field() -> None:
    ACTION.check(bytes.fromhex("9E10").ljust(16, b"\0"))
    with pytest.raises(CheckCondition) as refused:
        ACTION.check(bytes.fromhex("9E30").ljust(16, b"\0"))
    assert (refused.value.field, refused.value.bit) == (1, 5)


def test_long_cdb() -> None:
    cdb = bytearray(32)
    cdb[0], cdb[7], cdb[9] = 0x7F, 0x18, 0x09
    LONG.check(bytes(cdb))
    cdb[10] = 0x07
    with pytest.raises(CheckCondition) as refused:
        LONG.check(bytes(cdb))
    assert (refused.value.field, refused.value.bit) == (10, 2)


def test_table_finds_rows_and_actions() -> None:
    entries = table((PLAIN, ACTION, LONG))
    assert entries[0x28] is PLAIN
    actions = entries[0x9E]
    assert isinstance(actions, ActionTable)
    assert actions.find(bytes.fromhex("9E10").ljust(16, b"\0")) is ACTION
    with pytest.raises(CheckCondition) as refused:
        actions.find(bytes.fromhex("9E11").ljust(16, b"\0"))
    assert (refused.value.field, refused.value.bit) == (1, 4)
    longs = entries[0x7F]
    assert isinstance(longs, ActionTable)
    whole = b"\x7f".ljust(7, b"\0") + bytes((len(LONG.usage) - 8,)) + b"\0\x09" + bytes(22)
    assert longs.find(whole) is LONG
    for wrong in (whole[:16], whole[:7] + b"\x10" + whole[8:]):
        with pytest.raises(CheckCondition) as refused:
            longs.find(wrong)
        assert refused.value.field == 7


@pytest.mark.parametrize("rows", [(PLAIN, PLAIN), (ACTION, ACTION)])
def test_two_rows_for_one_place(rows: tuple[Command, ...]) -> None:
    with pytest.raises(ValueError, match="two rows"):
        table(rows)


def test_available_hides_rows() -> None:
    hidden = Command(0x42, "HIDDEN", _handler, bytes(10), available=lambda unit: unit == "able")
    assert available((PLAIN, hidden), "able") == (PLAIN, hidden)
    assert available((PLAIN, hidden), "unable") == (PLAIN,)
