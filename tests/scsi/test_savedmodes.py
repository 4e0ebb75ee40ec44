"""What is saved of mode parameters, as it is kept. What it does is tested with MODE SELECT (test_mode.py)."""

from __future__ import annotations

from tests.scsi.workbench import Bench
from tgtd.scsi.mode import ModeField, ModePage
from tgtd.scsi.savedmodes import choices_of, encode, load, name_of, restore, saved_value


def test_round_trip() -> None:
    choices = {"0a/00 TAS": (1, 0), "08/00 WCE": (0, 1)}
    assert load(encode(choices)) == choices
    assert encode({}) is None
    assert load(None) == {}


def test_a_choice_counts_while_the_default_is_the_one_it_was_made_against() -> None:
    disk = Bench().disk()
    default, now = [0], [0]

    def set_now(_: object, value: int) -> None:
        now[0] = value

    field = ModeField(2, 0, 4, "F", lambda _: now[0], lambda _: default[0], set_now)
    page = ModePage(0x20, 0, "test", 4, (field, ModeField(3, 0, 8, "CONSTANT", lambda _: 7, lambda _: 7)))
    disk.mode_pages = (page,)
    assert choices_of(disk, {}) == {}
    disk.saved_modes = choices_of(disk, {name_of(page, field): 5})
    assert disk.saved_modes == {"20/00 F": (5, 0)}
    assert saved_value(disk, page, field) == 5
    assert restore(disk) == (True, False)
    assert now == [5]
    default[0] = 3
    assert saved_value(disk, page, field) == 3
    assert restore(disk) == (True, False)
    assert now == [3]
    default[0] = 0
    assert restore(disk, defaults=True) == (True, False)
    assert (now, restore(disk, defaults=True)) == ([0], (False, False))
    assert disk.saved_modes == {"20/00 F": (5, 0)}


def test_what_this_unit_cannot_change_stays_saved() -> None:
    disk = Bench().disk()  # memory that has no cache to enable
    disk.saved_modes = {"08/00 WCE": (0, 1)}
    assert choices_of(disk, {"0a/00 TAS": 1}) == {"08/00 WCE": (0, 1), "0a/00 TAS": (1, 0)}
