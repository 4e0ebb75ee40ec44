"""Task management functions over the wire, also while a medium hangs."""

from __future__ import annotations

import pytest

from tests.initiator import TEST_UNIT_READY, inquiry, read10, write10
from tests.net.iscsi.conftest import Stage
from tests.scsi.workbench import ManualLane

ABORT_TASK, ABORT_TASK_SET, CLEAR_ACA, CLEAR_TASK_SET, LUN_RESET, WARM_RESET, COLD_RESET, REASSIGN = range(1, 9)
QUERY_TASK, QUERY_TASK_SET, NEXUS_RESET, QUERY_EVENT = range(9, 13)
COMPLETE, NO_TASK, NO_LUN, NO_REASSIGN, NOT_SUPPORTED, SUCCEEDED = 0, 1, 2, 4, 5, 7
NO_TAG = 0xFFFFFFFF
LEVEL_2 = {"iSCSIProtocolLevel": "2"}
WRITE_AND_VERIFY = b"\x2e" + write10(0, 1)[1:]
"""Always the work of a worker."""
SOLICITED = {"InitialR2T": "Yes", "ImmediateData": "No"}


def hang(stage: Stage) -> ManualLane:
    """From now on the disk's medium does nothing until the lane is stepped."""
    lane = ManualLane()

    def swap() -> None:
        stage.disk.lane = lane

    stage.call(swap)
    return lane


@pytest.mark.parametrize("level", ["1", "2"])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (ABORT_TASK_SET, COMPLETE),
        (CLEAR_ACA, COMPLETE),
        (CLEAR_TASK_SET, COMPLETE),
        (LUN_RESET, COMPLETE),
        (WARM_RESET, COMPLETE),
        (REASSIGN, NO_REASSIGN),
        (13, NOT_SUPPORTED),
        (0, NOT_SUPPORTED),
        (127, NOT_SUPPORTED),
    ],
)
def test_functions(stage: Stage, function: int, expected: int, level: str) -> None:
    with stage.login(keys={"iSCSIProtocolLevel": level}) as initiator:
        assert initiator.task_management(function, lun=1) == expected
        assert initiator.read(inquiry(), 96, lun=1).status == 0


@pytest.mark.parametrize("function", [QUERY_TASK, QUERY_TASK_SET, NEXUS_RESET, QUERY_EVENT])
def test_functions_of_level_2(stage: Stage, function: int) -> None:
    with stage.login() as initiator:
        assert initiator.task_management(function, lun=1) == NOT_SUPPORTED
    with stage.login(keys=LEVEL_2) as initiator:
        assert initiator.task_management(function, lun=1) == COMPLETE


@pytest.mark.parametrize("function", [ABORT_TASK_SET, CLEAR_TASK_SET, LUN_RESET, QUERY_TASK_SET])
def test_a_lun_that_is_not_there(stage: Stage, function: int) -> None:
    with stage.login(keys=LEVEL_2) as initiator:
        assert initiator.task_management(function, lun=9) == NO_LUN


def test_queries_find_a_task(stage: Stage) -> None:
    lane = hang(stage)
    with stage.login(keys=LEVEL_2) as initiator:
        itt = initiator.command_pdu(WRITE_AND_VERIFY, 1, 512, 0xA0, bytes(512))
        assert initiator.task_management(QUERY_TASK, 1, itt) == SUCCEEDED
        assert initiator.task_management(QUERY_TASK, 1, itt + 50) == COMPLETE
        assert initiator.task_management(QUERY_TASK_SET, 1) == SUCCEEDED
        stage.call(lane.drain)
        assert initiator.finish(itt).status == 0
        assert initiator.task_management(QUERY_TASK_SET, 1) == COMPLETE


def test_query_of_an_event_names_it(stage: Stage) -> None:
    with stage.login(keys=LEVEL_2) as initiator, stage.login(isid=2) as other:
        other.task_management(LUN_RESET, 1)
        itt = initiator.next_itt()
        head = bytes((0x42, 0x80 | QUERY_EVENT)) + bytes(6) + (1 << 48).to_bytes(8, "big") + itt.to_bytes(4, "big")
        initiator.send(head + (NO_TAG).to_bytes(4, "big") + initiator.cmd_sn.to_bytes(4, "big") + bytes(20))
        pdu = initiator.receive()
        assert (pdu.head[2], pdu.head[8:11]) == (SUCCEEDED, bytes((0x16, 0x29, 0x03)))


def test_nexus_reset_ends_the_tasks(stage: Stage) -> None:
    hang(stage)
    with stage.login(keys=LEVEL_2) as initiator:
        initiator.command_pdu(WRITE_AND_VERIFY, 1, 512, 0xA0, bytes(512))
        assert initiator.task_management(NEXUS_RESET) == COMPLETE
        assert not stage.call(lambda: len(stage.disk.tasks))
        assert initiator.read(TEST_UNIT_READY, 0, lun=1).asc == (6, 0x29, 7)


# ABORT TASK


def test_abort_of_a_task_in_a_worker_that_hangs(stage: Stage) -> None:
    lane = hang(stage)
    with stage.login() as initiator:
        itt = initiator.command_pdu(WRITE_AND_VERIFY, 1, 512, 0xA0, bytes(512))
        assert initiator.task_management(ABORT_TASK, 1, itt) == COMPLETE
        assert initiator.read(inquiry(), 96, lun=1).status == 0
        assert stage.call(lambda: stage.pool.used) > 0, "the worker still has the buffer"
        stage.call(lane.drain)
        assert stage.pool_settles()
        assert initiator.read(inquiry(), 96, lun=1).status == 0


def test_abort_of_a_write_that_waits_for_data(stage: Stage) -> None:
    with stage.login(keys=SOLICITED) as initiator:
        itt = initiator.command_pdu(write10(0, 2), 1, 1024, 0xA0)
        r2t = initiator.receive()
        assert initiator.task_management(ABORT_TASK, 1, itt) == COMPLETE
        assert stage.pool_settles()
        for sn in range(2):
            initiator.data_out_pdu(itt, r2t.word(20), sn, sn * 512, b"!" * 512, sn == 1, lun=1)
        assert initiator.read(read10(0, 2), 1024, lun=1).data == bytes(1024)
        # The tag may be used again.
        initiator.command_pdu(write10(0, 1), 1, 512, 0xA0, itt=itt)
        fresh = initiator.receive()
        assert fresh.word(20) != r2t.word(20)
        initiator.data_out_pdu(itt, fresh.word(20), 0, 0, b"?" * 512, True, lun=1)
        assert initiator.finish(itt).status == 0


def test_abort_while_a_payload_arrives(stage: Stage) -> None:
    """Half of a Data-Out is here when another connection aborts its task."""
    keys = SOLICITED | {"MaxConnections": "2"}
    with stage.login(keys=keys) as first, stage.connect(isid=first.isid, tsih=first.tsih, cid=1).login() as second:
        itt = first.command_pdu(write10(0, 256), 1, 131072, 0xA0)
        r2t = first.receive()
        head = bytes((5, 0x80, 0, 0)) + (131072).to_bytes(4, "big") + (1 << 48).to_bytes(8, "big")
        head += itt.to_bytes(4, "big") + r2t.head[20:24] + bytes(24)
        first.sock.sendall(head + b"x" * 1000)
        assert stage.becomes(lambda: any(task.busy for task in stage.disk.tasks))
        second.cmd_sn = first.cmd_sn
        assert second.task_management(ABORT_TASK, 1, itt) == COMPLETE
        first.sock.sendall(b"x" * (131072 - 1000))
        assert first.read(inquiry(), 96, lun=1).status == 0
        assert stage.pool_settles()
        assert stage.medium_start() == bytes(512)


def test_abort_of_a_task_that_has_not_arrived(stage: Stage) -> None:
    with stage.login() as initiator:
        sn = initiator.cmd_sn
        initiator.cmd_sn += 1
        assert initiator.task_management(ABORT_TASK, 1, 500, ref_cmd_sn=sn) == COMPLETE
        # It comes after all: dropped. The next one is not held up.
        initiator.command_pdu(write10(0, 1), 1, 512, 0xA0, b"!" * 512, itt=500, cmd_sn=sn)
        assert initiator.read(read10(0, 1), 512, lun=1).data == bytes(512)


def test_abort_of_a_later_one_leaves_no_trace(stage: Stage) -> None:
    """The number is given up before those ahead of it have come, and its command comes before them too."""
    with stage.login() as initiator:
        sn = initiator.cmd_sn
        initiator.cmd_sn = sn + 3
        assert initiator.task_management(ABORT_TASK, 1, 501, ref_cmd_sn=sn + 1) == COMPLETE
        initiator.command_pdu(write10(0, 200), 1, 102400, 0xA0, b"!" * 102400, itt=501, cmd_sn=sn + 1)
        last = initiator.command_pdu(inquiry(), 1, 96, 0xC0, cmd_sn=sn + 2)
        first = initiator.command_pdu(inquiry(), 1, 96, 0xC0, cmd_sn=sn)
        assert [initiator.receive().itt for _ in range(2)] == [first, last]
        assert initiator.max_cmd_sn == sn + 2 + 128
        assert stage.pool_settles()
        assert not stage.call(lambda: next(iter(stage.service.sessions.values())).waiting)


def test_abort_of_one_that_waits_for_its_turn(stage: Stage) -> None:
    with stage.login() as initiator:
        sn = initiator.cmd_sn
        initiator.command_pdu(write10(0, 1), 1, 512, 0xA0, b"!" * 512, itt=500, cmd_sn=sn + 1)
        initiator.cmd_sn = sn + 2
        assert initiator.task_management(ABORT_TASK, 1, 499, ref_cmd_sn=sn + 1) == NO_TASK
        assert initiator.task_management(ABORT_TASK, 1, 500, ref_cmd_sn=sn + 1) == COMPLETE
        initiator.command_pdu(TEST_UNIT_READY, 1, itt=600, cmd_sn=sn)
        assert initiator.finish(600).status == 0
        assert initiator.read(read10(0, 1), 512, lun=1).data == bytes(512)


@pytest.mark.parametrize("distance", [-5, 0, 1, 500])
def test_abort_of_what_cannot_have_been_sent(stage: Stage, distance: int) -> None:
    with stage.login() as initiator:
        sn = initiator.cmd_sn + distance & 0xFFFFFFFF
        assert initiator.task_management(ABORT_TASK, 1, 500, ref_cmd_sn=sn) == NO_TASK
        assert initiator.read(inquiry(), 96, lun=1).status == 0


def test_abort_with_the_lun_of_another(stage: Stage) -> None:
    with stage.login(keys=SOLICITED) as initiator:
        itt = initiator.command_pdu(write10(0, 1), 1, 512, 0xA0)
        assert initiator.task_management(ABORT_TASK, 0, itt) == NO_TASK
        assert stage.call(lambda: len(stage.disk.tasks)) == 1


# Sets and resets


@pytest.mark.parametrize(
    ("function", "others"), [(ABORT_TASK_SET, 1), (CLEAR_TASK_SET, 0), (LUN_RESET, 0), (WARM_RESET, 0)]
)
def test_who_loses_its_tasks(stage: Stage, function: int, others: int) -> None:
    with stage.login(keys=SOLICITED) as one, stage.login(isid=2, keys=SOLICITED) as two:
        for initiator in (one, two):
            initiator.command_pdu(write10(0, 1), 1, 512, 0xA0)
            assert initiator.receive().opcode == 0x31
        assert one.task_management(function, 1) == COMPLETE
        assert stage.call(lambda: len(stage.disk.tasks)) == others
        assert one.read(inquiry(), 96, lun=1).status == 0


def test_cold_reset_ends_every_session(stage: Stage) -> None:
    retained = {"DefaultTime2Retain": "20"}
    with stage.login(keys=retained) as one, stage.login(isid=2, keys=retained) as two:
        assert one.task_management(COLD_RESET) == COMPLETE
        with pytest.raises(ConnectionError):
            one.receive()
        message = two.receive()
        assert (message.opcode, message.head[36]) == (0x32, 3)
        with pytest.raises(ConnectionError):
            two.receive()
        assert stage.empties()


def test_an_ordered_function_waits_for_its_turn(stage: Stage) -> None:
    """A function that is not immediate takes a number, and acts on all that came before it."""
    with stage.login(keys=SOLICITED) as initiator:
        sn = initiator.cmd_sn
        head = bytes((0x02, 0x80 | ABORT_TASK_SET)) + bytes(6) + (1 << 48).to_bytes(8, "big") + (900).to_bytes(4, "big")
        initiator.send(head + b"\xff" * 4 + (sn + 1).to_bytes(4, "big") + bytes(20))
        initiator.command_pdu(write10(0, 1), 1, 512, 0xA0, cmd_sn=sn)
        pdus = [initiator.receive() for _ in range(2)]
        assert {pdu.opcode for pdu in pdus} == {0x31, 0x22}
        assert not stage.call(lambda: len(stage.disk.tasks))
