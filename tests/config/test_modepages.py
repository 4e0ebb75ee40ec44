"""tgtd.config.modepages: what an administrator may set in mode pages; held to the rows of the disk's pages."""

from __future__ import annotations

import pytest

from tests.config.tree import HEAD, LUN, Tree
from tests.scsi.workbench import Bench
from tgtd.config.model import ModePage
from tgtd.config.modepages import PERFORMED, SETTABLE, check
from tgtd.config.problem import Mistake
from tgtd.media.ram import RamMedium
from tgtd.scsi.mode import DEFAULT
from tgtd.scsi.sbc.modes import MODE_PAGES

CONTROL = "00 10 00 40 00 00 00 00 00 00"


def test_it_knows_every_page_of_a_disk() -> None:
    """A page that gets a field which initiators can always change moves from PERFORMED to SETTABLE."""
    disk = Bench().disk(RamMedium(1 << 20))
    pages = {(page.code, page.subpage): page for page in MODE_PAGES}
    assert set(PERFORMED) | set(SETTABLE) == set(pages)
    assert not set(PERFORMED) & set(SETTABLE)
    for key, known in SETTABLE.items():
        page = pages[key]
        default = bytearray(page.encode(disk, DEFAULT))
        default[0] &= 0x7F
        changeable = {field.name: field for field in page.fields if field.declarable}
        assert [field.name for field in known.fields] == list(changeable)
        for mine in known.fields:
            field = changeable[mine.name]
            assert (mine.byte, mine.bit, mine.width) == (field.byte, field.bit, field.width)
            assert mine.values == (field.values or tuple(range(1 << field.width)))
            default[mine.byte] &= ~(field.mask << field.bit)
        for at in known.own:
            default[at] = 0
        assert known.fixed == default


@pytest.mark.parametrize(
    ("page", "subpage", "text", "problem", "fix"),
    [
        (0x0A, 0, "00 10", "has 10 bytes after its header of 2, not 2", "00 10 00 00"),
        (0x0A, 0, "00 20 00 40" + " 00" * 6, "byte 3 of the control page says what the disk does: 0x10", "write 0x10"),
        (0x0A, 0, "00 10 00 41" + " 00" * 6, "byte 5", "write 0x00"),
        (0x0A, 0, "00 14 00 40" + " 00" * 6, "QERR in byte 3 cannot be 2", "use one of 0, 1, 3"),
        (0x20, 0, "00" * 256, "256 bytes are too many", "at most 255"),
    ],
)
def test_what_cannot_be_set(page: int, subpage: int, text: str, problem: str, fix: str) -> None:
    with pytest.raises(Mistake) as caught:
        check(ModePage(page, subpage, bytes.fromhex(text)))
    assert problem in str(caught.value)
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("page", "subpage", "text"), [(0x0A, 0, CONTROL), (0x20, 0, "00" * 255), (0x20, 1, "00" * 999)]
)
def test_what_can(page: int, subpage: int, text: str) -> None:
    check(ModePage(page, subpage, bytes.fromhex(text)))


def page(code: int, text: str, subpage: int = 0) -> str:
    return f'[[target.lun.mode_page]]\npage = {code}\nsubpage = {subpage}\nbytes = "{text}"\n'


def test_pages_of_a_lun(tree: Tree) -> None:
    lun = tree.target(HEAD + LUN + page(10, CONTROL) + page(3, "00ff", 2)).luns[1]
    assert lun.mode_page == (ModePage(3, 2, b"\0\xff"), ModePage(10, 0, bytes.fromhex(CONTROL)))
    assert tree.target(HEAD + LUN).luns[1].mode_page == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            page(8, "04" + " 00" * 17),
            "9:8: {}.page: page 0x08 is decided by write_cache (WCE); set write_cache of the lun",
        ),
        (page(2, "00"), "9:8: {}.page: page 0x02 says what the disk does, and none of it can be set; remove it; iSCSI"),
        (page(10, "00", 1), "9:8: {}.page: page 0x0a with subpage 0x01 says what the disk does"),
        (page(10, "00"), "11:9: {}.bytes: the control page has 10 bytes after its header of 2, not 1; write as many"),
        (page(3, "0g"), '11:9: {}.bytes: "0g" is not pairs of hexadecimal digits'),
        (page(63, "00"), "9:8: {}.page: 63"),
    ],
)
def test_what_is_said_of_a_page_that_cannot_be(tree: Tree, text: str, told: str) -> None:
    (said,) = tree.complaints(HEAD + LUN + text)
    place, told = told.split(": ", 1)
    start, rest = told.replace("{}", "mode_page[0]").split(": ", 1)
    assert said.startswith(f"a.toml:{place}: "), said
    assert f"{start}: {rest}" in said, said


def test_one_page_twice(tree: Tree) -> None:
    (said,) = tree.complaints(HEAD + LUN + page(3, "00") + page(3, "01"))
    assert "the lun has another mode_page 0x03; remove one of the two" in said
