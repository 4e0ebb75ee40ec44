"""Mode pages of libraries, byte for byte."""

from __future__ import annotations

from dataclasses import replace

from tests.scsi.smc.library import LAYOUT, SETTINGS, Library
from tests.scsi.workbench import IDENTITY
from tgtd.scsi.smc.inventory import ElementType, Range


def page(library: Library, code: int) -> bytes:
    return library.good(bytes((0x1A, 8, code, 0, 255, 0)))[4:]


def test_element_addresses(library: Library) -> None:
    assert page(library, 0x1D) == bytes.fromhex("1d12 0001 0001 03e8 0006 000a 0002 01f4 0002 0000")
    library.changer.change(replace(SETTINGS, layout=replace(LAYOUT, ports=Range(ElementType.PORT, 10, 0))), IDENTITY)
    library.lane.drain()
    assert library.refused(bytes(6)) == (6, 0x2A, 1)
    assert page(library, 0x1D)[10:14] == bytes(4)
    assert page(library, 0x1F)[2:8] == bytes.fromhex("0a03 00 0a 00 0a")


def test_geometry_and_capabilities(library: Library) -> None:
    assert page(library, 0x1E) == bytes.fromhex("1e020000")
    assert page(library, 0x1F) == bytes.fromhex("1f12 0e03 000e0e0e 00000000 000e0e0e 00000000")


def extended(library: Library) -> bytes:
    return library.good(bytes.fromhex("1a081f41ff00"))[4:]


def test_extended_capabilities(library: Library) -> None:
    """MVPRV and IEST, TREXC and LCKIE; without import/export elements TREXC alone."""
    assert extended(library) == bytes.fromhex("5f41 0010 21 00 06 00") + bytes(12)
    library.changer.change(replace(SETTINGS, layout=replace(LAYOUT, ports=Range(ElementType.PORT, 10, 0))), IDENTITY)
    library.lane.drain()
    library.ready()
    assert extended(library) == bytes.fromhex("5f41 0010 00 00 04 00") + bytes(12)


def test_what_it_says_is_so(library: Library) -> None:
    """TREXC: what was displaced goes where the other volume came from. MVPRV: no move to a locked port."""
    library.good(bytes.fromhex("a6 00 0000 03e8 03e9 03e8 0000"))
    assert library.holds() == {1000: "A00001L8", 1001: "A00000L8", 1002: "A00002L8"}
    library.good(bytes.fromhex("1e0000000100"))
    assert library.refused(library.move(1000, 10)) == (5, 0x53, 2)
