"""Writes over the wire: who may send what when, what becomes of data nobody wants, bidirectional commands."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.initiator import Initiator, Pdu, inquiry, read10, write10
from tests.net.iscsi.conftest import Stage
from tests.scsi.workbench import IDENTITY, ManualLane
from tgtd.scsi.command import Command
from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.task import Task

NO_TAG = 0xFFFFFFFF
SOLICITED = {"InitialR2T": "Yes", "ImmediateData": "No"}
UNSOLICITED = {"InitialR2T": "No", "ImmediateData": "Yes", "FirstBurstLength": "2048", "MaxBurstLength": "4096"}
UNEXPECTED, TOO_LITTLE, CRC = (0xB, 0x0C, 0x0C), (0xB, 0x0C, 0x0D), (0xB, 0x47, 0x05)


def invert(unit: LogicalUnit, task: Task) -> int:
    assert task.data_out is not None
    task.data_in = bytes(byte ^ 0xFF for byte in task.data_out) * (2 if task.cdb[9] else 1)
    return 0x02 if task.cdb[8] else 0


class Inverter(LogicalUnit):
    """Takes as many bytes as CDB bytes 2 to 5 say and gives them back inverted (twice, with byte 9 set)."""

    raises_attention = False
    rows = (
        Command(
            0xC0, "INVERT", invert, b"\xc0" + b"\xff" * 9, data_out=lambda unit, cdb: int.from_bytes(cdb[2:6], "big")
        ),
    )


def invert_cdb(length: int, twice: bool = False) -> bytes:
    return b"\xc0\0" + length.to_bytes(4, "big") + bytes((0, 0, 0, twice))


def with_inverter(stage: Stage) -> None:
    def add() -> None:
        stage.target.scsi.add_lun(2, Inverter(IDENTITY, stage.pool, ManualLane()))

    stage.call(add)


def bidi(expected: int) -> bytes:
    return b"\0\5\2\0" + expected.to_bytes(4, "big")


# Bidirectional commands (AHS 11.2.2.4)


@pytest.mark.parametrize("keys", [SOLICITED | {"MaxBurstLength": "1024"}, UNSOLICITED])
@pytest.mark.parametrize("segment", ["512", "65536"])
def test_bidirectional(stage: Stage, keys: dict[str, str], segment: str) -> None:
    with_inverter(stage)
    data = os.urandom(3000)
    with stage.login(keys=keys | {"MaxRecvDataSegmentLength": segment}) as initiator:
        immediate = data[:512] if keys["ImmediateData"] == "Yes" else b""
        itt = initiator.command_pdu(invert_cdb(3000), 2, 3000, 0xE0, immediate, ahs=bidi(3000))
        numbers: list[int] = []
        gathered = b""
        while (pdu := initiator.receive()).opcode != 0x21:
            numbers.append(pdu.word(36))
            if pdu.opcode == 0x31:
                initiator._serve(pdu, data, 512)
            else:
                assert not pdu.flags & 1, "status of a bidirectional command rides on no Data-In"
                gathered += pdu.data
        assert gathered == bytes(byte ^ 0xFF for byte in data)
        assert numbers == list(range(len(numbers))), "R2Ts and Data-In are counted as one"
        assert (pdu.itt, pdu.word(36), pdu.flags & 0x1E) == (itt, len(numbers), 0)
        assert not initiator_solicitations(stage)


def initiator_solicitations(stage: Stage) -> dict[int, int]:
    def look() -> dict[int, int]:
        (session,) = stage.service.sessions.values()
        return next(iter(session.connections.values())).writes.solicitations

    return stage.call(look)


@pytest.mark.parametrize(
    ("sent", "wanted", "room", "twice", "flags", "residual", "bidi_residual"),
    [
        (512, 512, 512, False, 0x80, 0, 0),
        (512, 512, 600, False, 0x88, 0, 88),
        (512, 512, 512, True, 0x90, 0, 512),
        (600, 512, 512, False, 0x82, 88, 0),
        (512, 600, 512, False, 0x84, 88, 0),
        (600, 512, 512, True, 0x92, 88, 512),
    ],
)
def test_residuals_of_both_directions(
    stage: Stage, sent: int, wanted: int, room: int, twice: bool, flags: int, residual: int, bidi_residual: int
) -> None:
    with_inverter(stage)
    with stage.login() as initiator:
        initiator.command_pdu(invert_cdb(wanted, twice), 2, sent, 0xE0, bytes(sent), ahs=bidi(room))
        pdu = initiator.receive()
        while pdu.opcode != 0x21:
            pdu = initiator.receive()
        assert (pdu.flags, pdu.word(44), pdu.word(40)) == (flags, residual, bidi_residual)


def test_a_malformed_segment_costs_only_its_connection(stage: Stage) -> None:
    keys = {"MaxConnections": "2"}
    with stage.login(keys=keys) as first, stage.connect(isid=first.isid, tsih=first.tsih, cid=1).login() as second:
        for immediate in (False, True):
            second.command_pdu(inquiry(), 1, 96, 0xC0, ahs=bytes(4), cmd_sn=first.cmd_sn, immediate=immediate)
        with pytest.raises(ConnectionError):
            second.receive()
        first.cmd_sn += 1
        assert first.read(inquiry(), 96, lun=1).status == 0
        assert first.max_cmd_sn == first.cmd_sn + 127


# Rules of data-out


def start(initiator: Initiator, blocks: int, flags: int = 0xA0, data: bytes = b"") -> int:
    return initiator.command_pdu(write10(0, blocks), 1, blocks * 512, flags, data)


def out(initiator: Initiator, itt: int, pieces: list[tuple[int, int, int, bool]], ttt: int = NO_TAG) -> None:
    for sn, offset, length, final in pieces:
        initiator.data_out_pdu(itt, ttt, sn, offset, bytes(length), final, lun=1)


@pytest.mark.parametrize(
    ("keys", "flags", "immediate", "pieces", "asc"),
    [
        (SOLICITED, 0xA0, 512, [], UNEXPECTED),
        (SOLICITED, 0x20, 0, [(0, 0, 512, True)], UNEXPECTED),
        (UNSOLICITED, 0xA0, 2560, [], TOO_LITTLE),
        (UNSOLICITED, 0x20, 2048, [], TOO_LITTLE),
        (UNSOLICITED, 0x20, 512, [(0, 512, 2048, True)], TOO_LITTLE),
        (UNSOLICITED, 0x20, 512, [(0, 512, 1536, False)], TOO_LITTLE),
        (UNSOLICITED, 0x20, 512, [(1, 512, 512, False)], CRC),
        (UNSOLICITED, 0x20, 512, [(0, 0, 512, False)], CRC),
        (UNSOLICITED, 0x20, 512, [(0, 512, 512, False), (1, 512, 512, True)], CRC),
    ],
)
def test_broken_rules_fail_the_command_only(
    stage: Stage,
    keys: dict[str, str],
    flags: int,
    immediate: int,
    pieces: list[tuple[int, int, int, bool]],
    asc: object,
) -> None:
    with stage.login(keys=keys) as initiator:
        itt = start(initiator, 8, flags, bytes(immediate))
        out(initiator, itt, pieces)
        assert initiator.finish(itt).asc == asc
        # What is still under way for it is dropped without a word.
        out(initiator, itt, [(7, 1024, 512, True)] if flags == 0x20 else [])
        assert initiator.read(inquiry(), 96, lun=1).status == 0
        assert initiator.write(write10(0, 1), bytes(512), lun=1, immediate=False).status == 0
    assert stage.pool_settles()


@pytest.mark.parametrize(
    "pieces", [[(0, 0, 512, True)], [(0, 0, 1536, True)], [(0, 0, 1024, False)], [(0, 512, 512, True)]]
)
def test_broken_rules_of_solicited_data(stage: Stage, pieces: list[tuple[int, int, int, bool]]) -> None:
    with stage.login(keys=SOLICITED) as initiator:
        itt = start(initiator, 2)
        out(initiator, itt, pieces, initiator.receive().word(20))
        assert initiator.finish(itt).asc in (TOO_LITTLE, CRC)
        assert initiator.read(inquiry(), 96, lun=1).status == 0
    assert stage.pool_settles()


def test_less_unsolicited_data_than_could_be(stage: Stage) -> None:
    data = os.urandom(8 * 512)
    with stage.login(keys=UNSOLICITED) as initiator:
        itt = start(initiator, 8, 0x20, data[:512])
        initiator.data_out_pdu(itt, NO_TAG, 0, 512, data[512:1024], True, lun=1)
        assert initiator.finish(itt, data).status == 0
        assert initiator.read(read10(0, 8), len(data), lun=1).data == data


@pytest.mark.parametrize(("offer", "most"), [("1", 1), ("3", 3), ("100", 4)])
def test_outstanding_r2ts(stage: Stage, offer: str, most: int) -> None:
    keys = SOLICITED | {"MaxOutstandingR2T": offer, "MaxBurstLength": "512"}
    with stage.login(keys=keys) as initiator:
        itt = start(initiator, 6)
        r2ts = [initiator.receive() for _ in range(most)]
        initiator.nop()
        assert initiator.receive().opcode == 0x20, "no more than that"
        assert [(pdu.word(36), pdu.word(40), pdu.word(44)) for pdu in r2ts] == [(n, n * 512, 512) for n in range(most)]
        assert len({pdu.word(20) for pdu in r2ts}) == most
        for pdu in r2ts:
            initiator._serve(pdu, bytes(6 * 512), 512)
        assert initiator.finish(itt, bytes(6 * 512)).status == 0


def test_no_r2t_for_what_the_command_does_not_want(stage: Stage) -> None:
    with stage.login(keys=SOLICITED) as initiator:
        itt = initiator.command_pdu(write10(0, 2), 1, 4096, 0xA0)
        r2t = initiator.receive()
        assert (r2t.word(40), r2t.word(44)) == (0, 1024)
        initiator._serve(r2t, bytes(1024), 512)
        assert initiator.finish(itt).residual == 3072
        refused = initiator.command_pdu(b"\xff", 1, 4096, 0xA0)
        assert initiator.finish(refused).asc[0] == 5


@pytest.mark.parametrize("expected", [0, 511])
def test_no_length_or_less_than_a_block(stage: Stage, expected: int) -> None:
    with stage.login() as initiator:
        itt = initiator.command_pdu(write10(0, 1), 1, expected, 0xA0, bytes(expected))
        result = initiator.finish(itt)
        assert (result.status, result.residual) == (0, expected - 512)
        zero = initiator.command_pdu(write10(0, 0), 1, 0, 0xA0)
        assert initiator.finish(zero).status == 0


@pytest.mark.parametrize(
    "make",
    [lambda i, t: (i, t + 1), lambda i, t: (i + 1, t), lambda i, t: (i, NO_TAG), lambda i, t: (i + 1, NO_TAG)],
    ids=["ttt", "itt", "unsolicited", "nothing"],
)
def test_data_for_no_transfer_is_rejected(stage: Stage, make: Callable[[int, int], tuple[int, int]]) -> None:
    with stage.login(keys=SOLICITED) as initiator:
        itt = start(initiator, 1)
        r2t = initiator.receive()
        wrong_itt, wrong_ttt = make(itt, r2t.word(20))
        initiator.data_out_pdu(wrong_itt, wrong_ttt, 0, 0, bytes(512), True, lun=1)
        assert initiator.receive().head[:3] == b"\x3f\x80\x09"
        initiator.data_out_pdu(itt, r2t.word(20), 0, 0, bytes(512), True, lun=1)
        assert initiator.finish(itt).status == 0


def test_out_of_memory_the_command_is_busy(stage: Stage) -> None:
    with stage.login(keys=UNSOLICITED) as initiator:
        stage.pool.limit = 0
        itt = start(initiator, 8, 0x20, bytes(512))
        out(initiator, itt, [(0, 512, 1536, True)])
        assert initiator.finish(itt).status == 0x08
        solicited = start(initiator, 8)
        assert initiator.finish(solicited).status == 0x08
        stage.pool.limit = 1 << 20
        assert initiator.write(write10(0, 8), bytes(4096), lun=1, segment=512).status == 0


def test_data_with_a_read_is_an_error(stage: Stage) -> None:
    with stage.login() as initiator:
        itt = initiator.command_pdu(read10(0, 1), 1, 512, 0xC0, bytes(512))
        assert initiator.finish(itt).status == 2
        assert initiator.read(inquiry(), 96, lun=1).status == 0


def test_r2ts_name_the_unit(stage: Stage) -> None:
    def add() -> None:
        stage.target.scsi.add_lun(300, stage.make_disk(stage.medium, "S300"))

    stage.call(add)
    with stage.login(keys=SOLICITED) as initiator:
        pdu = Pdu(b"")
        for lun in (0x412C, 0x4001, 1):
            itt = initiator.command_pdu(write10(0, 1), lun, 512, 0xA0)
            pdu = initiator.receive()
            if pdu.opcode == 0x21:  # the unit attention of a unit that is new to us
                itt = initiator.command_pdu(write10(0, 1), lun, 512, 0xA0)
                pdu = initiator.receive()
            assert int.from_bytes(pdu.head[8:10], "big") in (lun, lun & 0xFF)
            initiator._serve(pdu, bytes(512), 512)
            initiator.finish(itt)
        assert pdu.opcode == 0x31
