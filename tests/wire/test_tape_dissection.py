"""Wireshark reads what tape drives and changers send: every command that they have, and no malformed packet."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.initiator import Initiator
from tests.scsi.reserving import CLEAR, PREEMPT, REGISTER, RELEASE, RESERVE, WE, out
from tests.scsi.ssc.keying import page, told
from tests.wire.conftest import Site
from tests.wire.test_dissection import UNKNOWN_TO_WIRESHARK, capture, dissect, log_sense

pytestmark = pytest.mark.wire

CHANGER, DRIVE = 0, 1
ROOM = 4096
KEY = 7

BLOCK_LIMITS = 0xB0
"""VPD page that Wireshark takes for a disk's, whatever the device. Nor is it shown READ POSITION's extended form, whose
numbers of 8 bytes it fetches as if they had 4, nor log pages 00h, lists of pages which it takes for parameters."""

LENGTHS = {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}
"""Of CDBs, by group."""

Sent = tuple[bytes, bytes | int]
"""A CDB with the data that goes with it, or the room that there is for an answer."""


def cdb(text: str) -> bytes:
    return bytes.fromhex(text)


def ask(text: str, room: int = ROOM) -> Sent:
    return cdb(text), room


def tell(text: str, data: bytes = b"") -> Sent:
    return cdb(text), data


COMMON: tuple[Sent, ...] = (
    ask("00 00 000000 00"),
    ask("03 00 0000 FC 00"),
    ask("12 00 00 00FF 00"),
    ask("A0 00 00 000000 00001000 00 00"),
    ask("A3 0C 80 00 0000 00001000 00 00"),
    ask("A3 0D 80 00 0000 00001000 00 00"),
    ask("1A 00 3F 00 FF 00"),
    ask("5A 10 3F FF 000000 1000 00"),
    tell("15 10 0000 00 00"),
    tell("55 10 00000000 00 0000 00"),
    tell("16 00 000000 00"),
    tell("17 00 000000 00"),
    tell("56 00 00000000 00 0000 00"),
    tell("57 00 00000000 00 0000 00"),
    *(ask(f"5E {action:02X} 0000000000 1000 00") for action in range(4)),
    out(REGISTER, 0, KEY),
    out(RESERVE, KEY, kind=WE),
    out(PREEMPT, KEY, KEY, WE),
    out(5, KEY, KEY, WE),
    out(RELEASE, KEY, kind=WE),
    out(6, KEY, KEY),
    out(8, KEY, KEY),
    (cdb("5F 07 00 00 00 00000018 00"), bytes(24)),
    out(CLEAR, KEY),
    ask("4D 00 4D 00 00 0000 1000 00"),
    ask("A3 0F 00000000 00001000 00 00"),
    ask("A3 05 00000000 00001000 00 00"),
    ask("3C 03 00 000000 001000 00"),
    tell("1D 04 00 0000 00"),
    ask("1C 00 00 1000 00"),
)

TAPE: tuple[Sent, ...] = (
    tell("0A 00 000400 00", bytes(range(256)) * 4),
    tell("8A 00 00 00 0000000000000001 000400 00", bytes(1024)),
    tell("10 00 000002 00"),
    tell("80 00 00 00 0000000000000004 000001 00"),
    tell("01 00 000000 00"),
    ask("08 00 000400 00"),
    ask("08 00 000100 00"),
    ask("88 00 00 00 0000000000000001 000400 00"),
    ask("88 00 00 00 0000000000000002 000400 00"),
    tell("01 01 000000 00"),
    tell("13 00 000400 00"),
    tell("8F 08 00 00 0000000000000000 000001 00"),
    tell("11 01 FFFFFF 00"),
    tell("11 03 000000 00"),
    tell("91 01 0000 FFFFFFFFFFFFFFFF 0000 00 00"),
    tell("2B 00 00 00000001 00 00 00"),
    tell("92 00 00 00 0000000000000000 000000 00"),
    tell("92 00 00 00 0000000000000999 000000 00"),
    *(ask(f"34 {form:02X} 0000000000 0000 00") for form in (0, 1, 6)),
    ask("05 00 000000 00"),
    ask("05 01 000000 00"),
    *(ask(f"44 {media:02X} 0000000000 1000 00") for media in (0, 1)),
    *(ask(f"8C {action:02X} 000000 00 00 00 0000 00001000 00 00") for action in (0, 1, 2, 3, 5)),
    tell("8D 01 000000 00 00 00 0000 00000011 00 00", cdb("0000000D 0800 01 0008") + b"tgtd    "),
    ask("A2 00 0000 00 00 00001000 00 00"),
    *(ask(f"A2 20 {code:04X} 00 00 00001000 00 00") for code in (0, 1, 0x10, 0x11, 0x12, 0x20, 0x21)),
    (told(len(page())), page()),
    ask("A2 20 0020 00 00 00001000 00 00"),
    tell("82 00 00 00 0000000000000000 000000 00"),
    ask("9B 03 00 0000000000000000 00001000 00 00"),
    tell("3B 02 00 000000 000010 00", bytes(16)),
    tell("4C 02 40 00 000000 0000 00"),
    tell("A4 0F 00000000 0000000C 00 00", struct.pack(">4xHI2x", 1, 1)),
    tell("A4 06 00000000 00000004 00 00", b"tape"),
    tell("92 00 00 00 0000000000000000 000000 00"),
    tell("19 00 000000 00"),
    tell("93 00 00 00 0000000000000000 000000 00"),
    tell("0B 00 00 FFFF 00"),
    tell("04 00 00 0000 00"),
    tell("1E 00 000001 00"),
    tell("1E 00 000000 00"),
    tell("1B 00 0000 00 00"),
    tell("1B 00 0000 01 00"),
)

ROBOT: tuple[Sent, ...] = (
    tell("07 00 000000 00"),
    tell("37 00 0000 00 00 FFFF 00 00"),
    tell("E7 00 0000 00 00 FFFF 00 00"),
    *(
        ask(f"B8 {kind:02X} 0000 FFFF {bits:02X} 001000 00 00")
        for kind in (0x10, 0, 1, 2, 3, 4)
        for bits in (0, 1, 2, 3)
    ),
    tell("B6 05 0000 00 00 00 00 0028 00 00", b"*".ljust(40)),
    ask("B5 10 0000 FFFF 00 001000 00 00"),
    tell("2B 00 0000 0000 0000 00 00"),
    tell("1E 00 000001 00"),
    tell("1E 00 000000 00"),
    tell("16 01 07 0006 00", bytes.fromhex("0000 0001 03E8")),
    tell("17 01 07 0000 00"),
    tell("56 01 07 00 000000 0006 00", bytes.fromhex("0000 0000 0001")),
    tell("57 01 07 00 000000 0000 00"),
)


def element(answer: bytes, kind: int, number: int) -> int:
    """The address of an element, out of READ ELEMENT STATUS."""
    at = 8
    while at < len(answer):
        size, of_all = struct.unpack_from(">xxHxBH", answer, at)[0], int.from_bytes(answer[at + 5 : at + 8], "big")
        if answer[at] == kind:
            return int.from_bytes(answer[at + 8 + number * size : at + 10 + number * size], "big")
        at += 8 + of_all
    raise AssertionError("no such element")


def moves(initiator: Initiator) -> tuple[Sent, ...]:
    """A cartridge goes from slot to slot, another comes in its place, and one into the drive."""
    answer = initiator.read(cdb("B8 10 0000 FFFF 00 001000 00 00"), ROOM, lun=CHANGER).data
    first, second, third = (element(answer, 2, number) for number in range(3))
    drive = element(answer, 4, 0)
    return (
        (struct.pack(">BxHHHxxBx", 0xA5, 0, first, third, 0), b""),
        (struct.pack(">BxHHHHBx", 0xA6, 0, third, second, first, 0), b""),
        (struct.pack(">BxHHHxxBx", 0xA5, 0, second, drive, 0), b""),
        (struct.pack(">BBHBx", 0x1B, 0, element(answer, 3, 0), 0), b""),
    )


def send(initiator: Initiator, lun: int, commands: Iterable[Sent]) -> set[tuple[int, int | None]]:
    """Whatever they come to. Which they were, as REPORT SUPPORTED OPERATION CODES has them."""
    seen: set[tuple[int, int | None]] = set()
    for command, more in commands:
        if isinstance(more, int):
            initiator.read(command, more, lun=lun)
        elif more:
            initiator.write(command, more, lun=lun)
        else:
            initiator.read(command, 0, lun=lun)
        action = command[1] & 0x1F if command[0] in (0x5E, 0x5F, 0xA3, 0xA4) else None
        seen.add((command[0], action))
    return seen


def bare(missing: set[tuple[int, int | None]]) -> Iterator[Sent]:
    """Commands of which nothing is set: those that are newer than the lists above."""
    for opcode, action in missing:
        yield bytes((opcode, action or 0)).ljust(LENGTHS[opcode >> 5], b"\0"), ROOM


def settle(initiator: Initiator) -> None:
    """Hear all unit attentions; a drive that is empty is not ready even then."""
    for lun in (CHANGER, DRIVE):
        for _ in range(3):
            initiator.read(bytes(6), 0, lun=lun)


def supported(initiator: Initiator, lun: int) -> set[tuple[int, int | None]]:
    answer = initiator.read(cdb("A3 0C 00 00 0000 00001000 00 00"), ROOM, lun=lun).data
    found = struct.iter_unpack(">BxHxBH", answer[4:])
    return {(opcode, action if flags & 1 else None) for opcode, action, flags, _ in found}


def test_every_command(site: Site, tmp_path: Path) -> None:
    (site.media / "tapes").mkdir()
    keys = ("drives = [1]", "slots = 4", "create = true", "size = '16 MiB'", "cartridges = ['A1L8', 'A2L8']")
    table = "\n".join(("[target.lun.library]", *keys))
    medium = f'{{ type = "library", path = "{site.media}/tapes" }}'
    robot = site.lun(CHANGER, medium=medium, more=table, device="changer")
    site.write(site.target(robot, site.lun(DRIVE, medium='{ type = "tape" }', device="tape")))
    site.start()
    file = tmp_path / "capture.pcapng"
    with site.login() as initiator:
        settle(initiator)
        logs = {lun: initiator.read(log_sense(0, 0), ROOM, lun=lun).data[5:] for lun in (CHANGER, DRIVE)}
    assert logs[DRIVE]
    with capture(site.port, file), site.login() as initiator:
        settle(initiator)
        sent = {lun: send(initiator, lun, COMMON) for lun in (CHANGER, DRIVE)}
        sent[CHANGER] |= send(initiator, CHANGER, (*ROBOT, *moves(initiator)))
        while initiator.read(bytes(6), 0, lun=DRIVE).status:
            pass
        sent[DRIVE] |= send(initiator, DRIVE, TAPE)
        for lun in (CHANGER, DRIVE):
            for number in initiator.read(cdb("12 01 00 00FF 00"), 255, lun=lun).data[4:]:
                if number != BLOCK_LIMITS:
                    initiator.read(bytes((0x12, 1, number, 0, 255, 0)), 255, lun=lun)
            for number in logs[lun]:
                assert initiator.read(log_sense(number, 0), 0xFFFF, lun=lun).status == 0
            send(initiator, lun, bare(supported(initiator, lun) - sent[lun]))
    assert dissect(file, site.port, "frame.number", "_ws.malformed", where="_ws.malformed") == []
    ours = f"tcp.srcport == {site.port} && _ws.expert.severity >= 0x600000 && !tcp.analysis.flags"
    found = dissect(file, site.port, "_ws.expert.message", where=ours)
    assert {words for packet in found for words in packet} <= UNKNOWN_TO_WIRESHARK
