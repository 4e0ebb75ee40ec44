"""Commands out of the ring to a disk and back, with the kernel's side played by tests/hw/tcmu/kernel.py."""

from __future__ import annotations

import struct

import pytest

from tests.hw.tcmu.kernel import ALL, PAGE, START, Kernel
from tests.hw.tcmu.serving import HandLoop, MadeDevice, Served
from tests.scsi.workbench import Bench
from tgtd.hw.tcmu.ring import Distrust
from tgtd.hw.tcmu.server import Server
from tgtd.media.ram import RamMedium
from tgtd.scsi.medium import Transfer

INQUIRY = bytes((0x12, 0, 0, 0, 255, 0))
TEST_UNIT_READY = bytes(6)
UNDERSTANDS = ALL
CANNOT_KEEP = 0b0111
NO_LENGTH = 0b0001
DATA = bytes(range(256)) * 32  # 16 blocks


def read(lba: int, count: int) -> bytes:
    return struct.pack(">BxIxHx", 0x28, lba, count)


def write(lba: int, count: int) -> bytes:
    return struct.pack(">BxIxHx", 0x2A, lba, count)


class SlowMedium(RamMedium):
    """Everything is work for the lane. touched: what it was given to read into or to write from."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.touched: list[memoryview] = []

    def read_now(self, offset: int, into: memoryview) -> bool:
        self.touched.append(into)
        return False

    def write_now(self, offset: int, data: object) -> bool:
        assert isinstance(data, memoryview)
        self.touched.append(data)
        return False


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.disk()
    return bench


@pytest.fixture
def served(bench: Bench) -> Served:
    return Served(bench).awake()


@pytest.fixture
def slow() -> SlowMedium:
    return SlowMedium(1 << 20)


@pytest.fixture
def slowly(slow: SlowMedium) -> Served:
    bench = Bench()
    bench.disk(slow)
    return Served(bench).awake()


def test_the_first_command_hears_of_the_start(bench: Bench) -> None:
    answer = Served(bench).ask(TEST_UNIT_READY)
    assert answer.status == 2
    assert answer.sense[2] & 0x0F == 6
    assert answer.sense[12] == 0x29


def test_data_that_is_shorter_than_its_room(served: Served) -> None:
    answer = served.ask(INQUIRY, room=255)
    assert answer.status == 0
    assert answer.length == 96
    assert answer.data[8:12] == b"TGTD"


@pytest.mark.parametrize("scattered", [False, True])
def test_write_and_read(served: Served, scattered: bool) -> None:
    assert served.ask(write(8, 16), out=DATA, scattered=scattered).status == 0
    answer = served.ask(read(8, 16), room=8192, scattered=scattered)
    assert answer.status == 0
    assert answer.length is None, "all of it"
    assert answer.data == DATA
    assert served.bench.pool.used == 0
    assert (served.server.bytes_in, served.server.bytes_out) == (8192, 8192)


def test_data_stays_where_it_is(slowly: Served, slow: SlowMedium) -> None:
    """The medium reads into the kernel's memory and writes from it."""
    slowly.ask(write(0, 8), out=DATA[:4096])
    slowly.ask(read(0, 8), room=4096)
    slowly.ask(read(0, 1), room=4096)
    assert len(slow.touched) == 3
    assert all(place.obj is slowly.kernel.raw for place in slow.touched)
    slowly.ask(read(0, 16), room=8192, scattered=True)
    assert slow.touched[3].obj is not slowly.kernel.raw, "it is in two pieces"


def test_one_call_for_all_answers_of_a_turn(served: Served) -> None:
    told = served.device.told
    numbers = [served.put(read(at, 1), room=512) for at in range(8)]
    served.turn()
    assert set(numbers) <= served.kernel.answers.keys()
    assert served.device.told == told + 1


def test_nothing_of_an_earlier_command_is_handed_on(served: Served) -> None:
    """READ of no blocks into some room: what lay there before is somebody else's."""
    answer = served.ask(read(0, 0), room=3 * PAGE, scattered=True)
    assert answer.status == 0
    assert answer.data == bytes(3 * PAGE)
    answer = served.ask(INQUIRY[:4] + bytes((0, 0)), room=64)
    assert answer.data == bytes(64)


def test_nor_with_a_status_without_sense(served: Served) -> None:
    served.bench.pool.limit = 0
    answer = served.ask(read(0, 16), room=8192, scattered=True)
    assert answer.status in (0x08, 0x28)
    assert answer.data == bytes(8192)


def test_a_kernel_that_takes_no_length_gets_zeros(bench: Bench) -> None:
    served = Served(bench, NO_LENGTH).awake()
    answer = served.ask(INQUIRY, room=255)
    assert answer.length is None
    assert answer.data[8:12] == b"TGTD"
    assert answer.data[96:] == bytes(255 - 96)


def test_more_than_there_is_room_for(served: Served) -> None:
    answer = served.ask(INQUIRY, room=40)
    assert answer.status == 0
    assert answer.length is None
    assert answer.data[8:12] == b"TGTD"
    assert served.ask(read(0, 16), room=512).status == 0


def test_less_data_than_the_cdb_says(served: Served) -> None:
    assert served.ask(write(0, 4), out=b"\x01" * 1100).status == 0
    assert served.ask(read(0, 3), room=1536).data == b"\x01" * 1024 + bytes(512)


def test_more_data_than_the_cdb_says(served: Served) -> None:
    assert served.ask(write(0, 1), out=b"\x02" * PAGE * 2, scattered=True).status == 0
    assert served.ask(write(1, 1), out=b"\x03" * PAGE).status == 0
    assert served.ask(read(0, 3), room=1536).data == b"\x02" * 512 + b"\x03" * 512 + bytes(512)


def test_refusals_carry_sense(served: Served) -> None:
    answer = served.ask(read(1 << 20, 1), room=512)
    assert answer.status == 2
    assert (answer.sense[2], answer.sense[12]) == (5, 0x21)
    answer = served.ask(bytes((0xC1,)) + bytes(9), out=b"x" * 10)
    assert (answer.sense[2], answer.sense[12]) == (5, 0x20)
    answer = served.ask(bytes((0x9E, 0x1F)).ljust(16, b"\0"), room=32)
    assert (answer.sense[2], answer.sense[12]) == (5, 0x24)


def test_no_buffer_to_gather_data_in(served: Served) -> None:
    served.bench.pool.limit = 0
    assert served.ask(write(0, 16), out=DATA, scattered=True).status in (0x08, 0x28)
    served.bench.pool.limit = 1 << 20
    assert served.ask(read(0, 16), room=8192).data == bytes(8192)


def test_a_bad_entry_does_not_disturb_the_others(served: Served) -> None:
    good = served.put(read(0, 1), room=512)
    bad = served.put(read(0, 1), room=512)
    struct.pack_into("=Q", served.kernel.raw, START + served.kernel.head - 128 + 48, 3)
    served.turn()
    assert served.kernel.answers[good].status == 0
    assert served.kernel.answers[bad].status == 2
    assert served.kernel.answers[bad].sense[2:13:10] == b"\x04\x44", "hardware error, internal target failure"
    assert served.server.refused == 1
    assert not served.lost
    assert served.ask(TEST_UNIT_READY).status == 0


def test_a_ring_that_cannot_be_trusted_ends_this_server(served: Served) -> None:
    served.put(read(0, 1), room=512)
    struct.pack_into("=I", served.kernel.raw, START + served.kernel.head - 128, 0xFFFF_FFF9)
    served.turn()
    assert len(served.lost) == 1
    assert "not to be trusted" in served.lost[0]
    assert served.device.closed == 1
    assert not served.loop.watched
    served.turn()
    assert len(served.lost) == 1


@pytest.mark.parametrize("answered", [False, True])
def test_a_ring_that_another_program_has_reset(slowly: Served, answered: bool) -> None:
    slowly.put(read(0, 8), room=4096)
    slowly.turn()
    slowly.kernel.reset()
    if answered:
        slowly.bench.lane.drain()
    slowly.turn()
    assert len(slowly.lost) == 1
    assert "another program has reset it" in slowly.lost[0]
    assert slowly.server.closed


def test_no_ring_at_all(bench: Bench) -> None:
    kernel = Kernel(version=1)
    with pytest.raises(Distrust):
        Server(HandLoop(), bench.pool, bench.nexus, 0, MadeDevice(kernel), lambda why: None)


@pytest.mark.parametrize("while_telling", [False, True])
def test_a_device_that_is_gone(served: Served, while_telling: bool) -> None:
    if while_telling:
        served.put(TEST_UNIT_READY)
        served.loop.call_soon(lambda: setattr(served.device, "gone", True))
    else:
        served.device.gone = True
    served.turn()
    assert len(served.lost) == 1
    assert "gone" in served.lost[0]
    assert served.device.closed == 1


def test_many_entries_are_served_in_batches(served: Served) -> None:
    """Others get their turn after some."""
    served.kernel = Kernel(size=1 << 17)
    served = Served(served.bench)
    big = Kernel(size=1 << 17)
    device = MadeDevice(big)
    loop = HandLoop()
    server = Server(loop, served.bench.pool, served.nexus, 0, device, served.lost.append)
    for _ in range(600):
        assert big.put(TEST_UNIT_READY)
    counts = []
    for _ in range(3):
        loop.turn()
        counts.append(server.commands)
    assert counts == [256, 512, 600]


# Task management


def abort(served: Served, number: int, function: int = 1) -> None:
    served.kernel.put_management(function, (number,))
    served.turn()


def test_an_aborted_command_is_answered_while_its_memory_is_used(slowly: Served, slow: SlowMedium) -> None:
    number = slowly.put(read(0, 8), room=4096)
    slowly.turn()
    abort(slowly, number)
    answer = slowly.kernel.answers[number]
    assert answer.status == 0x40
    assert answer.kept
    assert slowly.server.outstanding == 1
    assert slowly.device.given_back == []
    slowly.bench.lane.drain()
    slowly.turn()
    assert slowly.device.given_back == [number]
    assert slowly.server.outstanding == 0
    assert not any(slowly.kernel.used)


def test_a_worker_may_end_in_the_turn_of_the_abort(slowly: Served) -> None:
    """The kernel hears of the answer before it hears that the memory is free."""
    number = slowly.put(read(0, 8), room=4096)
    slowly.turn()
    slowly.kernel.put_management(1, (number,))
    slowly.loop.call_soon(slowly.bench.lane.drain)
    slowly.turn()
    assert slowly.device.given_back == [number]
    assert slowly.server.outstanding == 0


def test_without_keeping_memory_the_answer_waits(slow: SlowMedium) -> None:
    bench = Bench()
    bench.disk(slow)
    served = Served(bench, CANNOT_KEEP).awake()
    number = served.put(read(0, 8), room=4096)
    served.turn()
    abort(served, number)
    assert number not in served.kernel.answers
    bench.lane.drain()
    served.turn()
    assert served.kernel.answers[number].status == 0x40
    assert not served.kernel.answers[number].kept
    assert served.server.outstanding == 0


def test_abort_leaves_other_commands_alone(slowly: Served) -> None:
    first, second = slowly.put(write(0, 8), out=DATA[:4096]), slowly.put(read(16, 8), room=4096)
    slowly.turn()
    abort(slowly, first, 2)
    abort(slowly, 4711)
    assert second not in slowly.kernel.answers
    slowly.bench.lane.drain()
    slowly.turn()
    assert slowly.kernel.answers[second].status == 0
    assert slowly.ask(read(0, 8), room=4096).data == bytes(4096), "what was aborted before it began is not written"


@pytest.mark.parametrize("function", [5, 6, 7])
def test_a_reset_is_a_reset_of_the_unit(slowly: Served, function: int) -> None:
    number = slowly.put(read(0, 8), room=4096)
    slowly.turn()
    abort(slowly, number, function)
    assert slowly.kernel.answers[number].status == 0x40
    slowly.bench.lane.drain()
    answer = slowly.ask(TEST_UNIT_READY)
    assert (answer.sense[2], answer.sense[12]) == (6, 0x29)


@pytest.mark.parametrize("function", [0, 3, 99])
def test_functions_that_abort_nothing(slowly: Served, function: int) -> None:
    number = slowly.put(read(0, 8), room=4096)
    slowly.turn()
    abort(slowly, number, function)
    assert number not in slowly.kernel.answers
    slowly.bench.lane.drain()
    slowly.turn()
    assert slowly.kernel.answers[number].status == 0


# The end


def test_draining_answers_what_is_under_way(slowly: Served) -> None:
    ended: list[bool] = []
    number = slowly.put(read(0, 8), room=4096)
    slowly.turn()
    slowly.server.drain(lambda: ended.append(True))
    later = slowly.put(TEST_UNIT_READY)
    slowly.turn()
    assert not ended
    slowly.bench.lane.drain()
    slowly.turn()
    assert ended == [True]
    assert slowly.kernel.answers[number].status == 0
    assert later not in slowly.kernel.answers, "it is for who comes after us"
    assert slowly.device.closed == 1
    slowly.turn()
    assert ended == [True]


def test_draining_waits_for_memory_that_was_kept(slowly: Served) -> None:
    ended: list[bool] = []
    number = slowly.put(read(0, 8), room=4096)
    slowly.turn()
    abort(slowly, number)
    slowly.server.drain(lambda: ended.append(True))
    slowly.turn()
    assert not ended
    slowly.bench.lane.drain()
    slowly.turn()
    assert ended == [True]
    assert slowly.device.given_back == [number]


def test_draining_does_not_wait_for_a_medium_that_hangs(slowly: Served) -> None:
    ended: list[bool] = []
    slowly.put(read(0, 8), room=4096)
    slowly.turn()
    slowly.server.drain(lambda: ended.append(True))
    slowly.turn()
    [(seconds, call)] = slowly.loop.timers
    assert (ended, seconds) == ([], 10.0)
    call()
    call()
    assert ended == [True]
    assert slowly.device.closed == 1
    slowly.bench.lane.drain()
    slowly.turn()
    assert ended == [True]
    assert slowly.device.told == 2, "nothing is told any more"


def test_a_device_that_goes_while_it_is_drained(slowly: Served) -> None:
    """It has come to its end, be it otherwise than was thought."""
    ended: list[bool] = []
    slowly.put(read(0, 8), room=4096)
    slowly.turn()
    slowly.server.drain(lambda: ended.append(True))
    slowly.device.gone = True
    slowly.bench.lane.drain()
    slowly.turn()
    assert ended == [True]
    assert slowly.lost == []


def test_nothing_to_drain(served: Served) -> None:
    ended: list[bool] = []
    served.server.drain(lambda: ended.append(True))
    served.turn()
    assert ended == [True]
    [(_, call)] = served.loop.timers
    call()
    assert ended == [True]


def test_closed_with_commands_under_way(slowly: Served) -> None:
    number = slowly.put(read(0, 8), room=4096)
    slowly.turn()
    slowly.server.close()
    slowly.server.close()
    slowly.bench.lane.drain()
    slowly.turn()
    assert number not in slowly.kernel.answers
    assert slowly.device.closed == 1
    assert not any(slowly.kernel.answers)
    assert slowly.bench.pool.used == 0


def test_closed_while_memory_is_kept(slowly: Served) -> None:
    number = slowly.put(read(0, 8), room=4096)
    slowly.turn()
    abort(slowly, number)
    slowly.server.close()
    slowly.bench.lane.drain()
    assert slowly.device.given_back == [], "closing the device does that"


def test_a_unit_that_is_not_there_answers(served: Served) -> None:
    served.bench.target.remove_lun(0)
    assert served.ask(INQUIRY, room=255).data[0] == 0x0C, "a controller"
    served.bench.disk()
    assert served.ask(TEST_UNIT_READY).status == 2
    assert served.ask(INQUIRY, room=255).data[0] == 0


def test_transfers_by_the_kernel_use_the_same_memory(slow: SlowMedium) -> None:
    """What a lane hands to io_uring is the data area itself."""

    class Described(SlowMedium):
        def reading(self, offset: int, into: memoryview) -> Transfer:
            return Transfer(False, 0, offset, into, 0, lambda: self.read(offset, into))

    bench = Bench()
    bench.disk(Described(1 << 20))
    served = Served(bench).awake()
    served.put(read(0, 8), room=4096)
    served.turn()
    work, _ = bench.lane.jobs[0]
    assert isinstance(work, Transfer)
    assert work.buffer.obj is served.kernel.raw


def test_aborted_while_it_waits_for_its_turn(slowly: Served) -> None:
    """Nobody is busy with its data, which lies where the kernel wants it: it is answered as aborted for all that."""
    block = DATA[:512]
    alone = bytes((0x89,)).ljust(13, b"\0") + b"\x01\0\0"
    slowly.put(alone, out=block + block)
    number = slowly.put(read(0, 8), room=4096)
    slowly.turn()
    assert number not in slowly.kernel.answers
    abort(slowly, number)
    assert slowly.kernel.answers[number].status == 0x40
    slowly.bench.lane.drain()
    slowly.turn()
    assert slowly.server.outstanding == 0


# What such a transport cannot do is not promised


@pytest.mark.parametrize(
    "cdb", ["000000000004", "28000000000000000104", "a00000000000000000400004", "88".ljust(30, "0") + "04"]
)
def test_naca_is_refused_as_nobody_could_clear_an_aca(served: Served, cdb: str) -> None:
    answer = served.ask(bytes.fromhex(cdb), room=512)
    assert answer.status == 2
    assert (answer.sense[2], answer.sense[12], answer.sense[15:18]) == (5, 0x24, bytes((0xCA, 0, len(cdb) // 2 - 1)))
    assert served.ask(TEST_UNIT_READY).status == 0, "no ACA"


def test_a_vendors_command_has_no_control_byte_that_is_known(served: Served) -> None:
    answer = served.ask(bytes((0xC1,)) + b"\xff" * 9)
    assert (answer.sense[2], answer.sense[12]) == (5, 0x20)


def test_only_simple_commands_are_promised(served: Served) -> None:
    assert served.ask(INQUIRY, room=255).data[3] == 0x12, "NORMACA"
    assert served.ask(bytes((0x12, 1, 0x86, 0, 255, 0)), room=255).data[5] == 0x01, "SIMPSUP alone"
    usage = served.ask(bytes.fromhex("a30c01280000000000ff0000"), room=255).data[4:]
    assert (usage[0], len(usage), usage[-1]) == (0x28, 10, 0), "NACA"
    assert served.bench.good(INQUIRY)[3] == 0x32, "others have all of it"
