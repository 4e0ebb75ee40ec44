"""The ring against the kernel's side of it, in order and out of order; and against memory that cannot be right."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hw.tcmu.kernel import PAGE, START, Kernel
from tgtd.hw.tcmu.ring import Distrust, Management, Refusal, Request, Ring, RingItem

READ = bytes((0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0))
WRITE = bytes((0x2A, 0, 0, 0, 0, 1, 0, 0, 2, 0))
SENSE = bytes.fromhex("70000500000000 0a 00000000 24 00 00 c00002")


def requests(items: list[RingItem]) -> list[Request]:
    found = [item for item in items if isinstance(item, Request)]
    assert len(found) == len(items)
    return found


def test_a_command_and_its_answer() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    number = kernel.put(WRITE, out=b"data" * 256)
    (request,) = requests(ring.take(9))
    assert request.number == number
    assert request.cdb == WRITE.ljust(16, b"\0")
    assert [bytes(piece) for piece in request.data] == [b"data" * 256]
    assert ring.take(9) == []
    assert not ring.publish()
    ring.answer(request.number, 0)
    assert kernel.tail == 0, "nothing is seen before it is published"
    assert ring.publish()
    assert kernel.reap() == [number]
    assert kernel.answers[request.number].status == 0
    assert not ring.publish()


def test_sense_data_is_followed_by_zeros() -> None:
    """The answer takes the place of the entry, of which nothing must be taken for sense data."""
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put(READ, room=5 * PAGE, scattered=True)
    (request,) = requests(ring.take(1))
    ring.answer(request.number, 2, SENSE)
    ring.publish()
    kernel.reap()
    assert kernel.answers[request.number].sense == SENSE.ljust(96, b"\0")


def test_check_condition_without_sense_has_none() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put(READ, room=PAGE)
    (request,) = requests(ring.take(1))
    ring.answer(request.number, 2)
    ring.publish()
    kernel.reap()
    assert kernel.answers[request.number].sense == bytes(96)


def test_long_cdbs() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    long = bytes((0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 9)).ljust(32, b"\x11")
    for cdb in (b"\x00" * 6, bytes((0x88,)) + b"\x22" * 15, bytes((0xA8,)) + b"\x33" * 11, long):
        kernel.put(cdb)
    assert [request.cdb for request in requests(ring.take(9))] == [
        bytes(16),
        bytes((0x88,)) + b"\x22" * 15,
        (bytes((0xA8,)) + b"\x33" * 11).ljust(16, b"\0"),
        long,
    ]


def test_pieces_of_a_scattered_command() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    data = bytes(range(256)) * 40
    kernel.put(WRITE, out=data, scattered=True)
    (request,) = requests(ring.take(1))
    assert [len(piece) for piece in request.data] == [PAGE, PAGE, 2048]
    assert b"".join(request.data) == data


def test_pieces_that_are_more_than_there_is() -> None:
    """The same memory again and again: filling it would take as long as somebody likes."""
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put(READ, room=3 * PAGE, scattered=True)
    for iovec in range(3):
        struct.pack_into("=QQ", kernel.raw, START + 48 + 16 * iovec, START + 4096, 6 * PAGE)
    (item,) = ring.take(1)
    assert isinstance(item, Refusal)


def test_both_directions() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put(WRITE, out=bytes(2 * PAGE), scattered=True)
    struct.pack_into("=II", kernel.raw, START + 8, 1, 1)
    (request,) = requests(ring.take(1))
    assert [len(piece) for piece in request.data] == [len(piece) for piece in request.second] == [PAGE]


def test_answers_out_of_order() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    first, second = kernel.put(READ, room=100), kernel.put(READ, room=100)
    taken = {request.number: request for request in requests(ring.take(9))}
    assert second is not None
    taken[second].data[0][:] = b"2" * 100
    ring.answer(second, 0, length=50)
    ring.publish()
    assert kernel.reap() == [second]
    assert kernel.answers[second] == (0, kernel.answers[second].sense, 50, False, b"2" * 50)
    assert ring.unanswered == {first}


def test_no_more_than_asked_for() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    for _ in range(5):
        kernel.put(READ)
    assert [len(ring.take(2)) for _ in range(4)] == [2, 2, 1, 0]


def test_task_management() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put_management(5, (1, 2, 3))
    assert ring.take(9) == [Management(5, (1, 2, 3))]
    assert ring.publish(), "it needs no answer, and its place is free again"
    assert kernel.reap() == []
    assert kernel.cleaned == kernel.head


def test_a_kind_that_nobody_knows_is_marked() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    first = kernel.put(READ)
    kernel.put_unknown(5)
    second = kernel.put(READ)
    assert len(requests(ring.take(9))) == 2
    assert first is not None
    assert second is not None
    ring.answer(second, 0)
    ring.publish()
    kernel.reap()
    assert kernel.unknown == [5]
    ring.answer(first, 0)
    ring.publish()
    kernel.reap()
    assert kernel.cleaned == kernel.head


def test_an_answer_twice_is_our_mistake() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put(READ)
    (request,) = requests(ring.take(1))
    ring.answer(request.number, 0)
    with pytest.raises(KeyError):
        ring.answer(request.number, 0)


def test_released_it_lets_go_of_the_memory() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    ring.release()
    kernel.memory.release()
    kernel.raw.append(0)  # BufferError while somebody looks at it


@settings(max_examples=60)
@given(st.data())
def test_any_order_and_any_number_of_times_round(data: st.DataObject) -> None:
    """Every command comes out once, unharmed, and its answer gets back to it."""
    kernel = Kernel(size=data.draw(st.sampled_from((512, 1016, 4096))), pages=8)
    ring = Ring(kernel.memory)
    sent: dict[int, bytes] = {}
    open_: list[Request] = []
    tally = 0
    for turn in range(data.draw(st.integers(1, 60))):
        for _ in range(data.draw(st.integers(0, 3))):
            cdb = struct.pack(">BxIxHx", 0x2A, tally, turn)
            number = kernel.put(cdb, out=struct.pack(">I", tally) * 300, scattered=data.draw(st.booleans()))
            if number is not None:
                sent[number] = cdb
            tally += 1
        if data.draw(st.integers(0, 9)) == 0:
            kernel.put_management(1, (7,))
        items = ring.take(data.draw(st.integers(1, 4)))
        open_ += [item for item in items if isinstance(item, Request)]
        for request in [r for r in open_ if data.draw(st.booleans())]:
            open_.remove(request)
            assert request.cdb[:10] == sent[request.number]
            assert b"".join(request.data) == request.cdb[2:6] * 300
            ring.answer(request.number, 0, length=turn)
        ring.publish()
        for number in kernel.reap():
            assert kernel.answers[number].length == (turn or None)
            del sent[number]
    open_ += requests([item for item in ring.take(99) if isinstance(item, Request)])
    for request in open_:
        ring.answer(request.number, 0)
    ring.publish()
    for number in kernel.reap():
        del sent[number]
    assert sent == {}
    assert kernel.cleaned == kernel.head
    assert not ring.unanswered


# What cannot be right


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [
        *((0, "H", 1), (0, "H", 3), (2, "H", 0b1110), (4, "I", 4), (4, "I", 130), (4, "I", 1 << 31)),
        *((8, "I", 0), (8, "I", 1 << 20), (8, "I", 4095), (64, "I", 4096), (64, "I", 4)),
    ],
)
def test_mailboxes(at: int, form: str, value: int) -> None:
    kernel = Kernel()
    struct.pack_into("=" + form, kernel.raw, at, value)
    with pytest.raises(Distrust):
        Ring(kernel.memory)


def test_no_mailbox() -> None:
    with pytest.raises(Distrust, match="too few"):
        Ring(memoryview(bytearray(100)))


@pytest.mark.parametrize("length", [0, 8, 104, 128 + 8, 2048, 0xFFFF_FFF8])
def test_lengths_that_cannot_be(length: int) -> None:
    """What follows it cannot be found: nothing of the ring is of any use then."""
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put(READ)
    assert kernel.head == 128
    struct.pack_into("=I", kernel.raw, START, length | 1)
    with pytest.raises(Distrust):
        ring.take(9)


@pytest.mark.parametrize("head", [4, 4096, 0xFFFF_FFF8])
def test_heads_that_cannot_be(head: int) -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.head = head
    with pytest.raises(Distrust):
        ring.take(9)


@pytest.mark.parametrize("answered", [0, 1, 3])
@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_ring_that_another_program_has_reset(answered: int, more: int) -> None:
    """What lies in it from before must not be taken for new."""
    kernel = Kernel()
    ring = Ring(kernel.memory)
    for _ in range(3):
        kernel.put(WRITE, out=b"x" * 512)
    for request in requests(ring.take(9))[:answered]:
        ring.answer(request.number, 0)
    ring.publish()
    kernel.reset()
    for _ in range(more):
        kernel.put(READ, room=512)
    with pytest.raises(Distrust, match="another program"):
        ring.take(9)


def test_nothing_is_answered_in_a_ring_that_was_reset() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    for _ in range(2):
        kernel.put(READ, room=512)
    first, second = requests(ring.take(9))
    ring.answer(first.number, 0)
    ring.publish()
    kernel.reap()
    ring.answer(second.number, 0)
    kernel.reset()
    with pytest.raises(Distrust, match="another program"):
        ring.publish()
    assert kernel.reap() == []


def test_an_entry_over_the_end() -> None:
    kernel = Kernel(size=512)
    ring = Ring(kernel.memory)
    kernel.put(READ)
    ring.take(1)
    struct.pack_into("=I", kernel.raw, START + 128, 448 | 1)
    kernel.head = 64
    with pytest.raises(Distrust):
        ring.take(1)


def test_a_number_twice() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put(READ)
    kernel.put(READ)
    struct.pack_into("=H", kernel.raw, START + 128 + 4, 1)
    with pytest.raises(Distrust, match="number 1"):
        ring.take(9)


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [
        (8, "I", 9),  # more iovecs than there is room for
        (8, "I", 0xFFFF_FFFF),
        (12, "I", 0x1000_0000),
        (16, "I", 1),  # protection information, which the kernel never hands over
        (24, "Q", 0),  # the CDB
        (24, "Q", START + 8),
        (24, "Q", START + 128 + 20),
        (24, "Q", START + 256 - 5),
        (24, "Q", 1 << 63),
        (48, "Q", 0),  # the data: in the mailbox,
        (48, "Q", START + 4096 - 1),  # in the ring,
        (48, "Q", START + 4096 + 16 * PAGE - 99),  # over the end
        (48, "Q", 0xFFFF_FFFF_FFFF_FFFF),
        (56, "Q", 0xFFFF_FFFF_FFFF_FFFF),
        (56, "Q", 16 * PAGE + 1),
    ],
)
def test_a_refused_entry_among_others(at: int, form: str, value: int) -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    for _ in range(3):
        kernel.put(READ, room=100)
    struct.pack_into("=" + form, kernel.raw, START + 128 + at, value)
    first, bad, last = ring.take(9)
    assert isinstance(first, Request)
    assert isinstance(last, Request)
    assert isinstance(bad, Refusal)
    assert bad.why
    for item in (last, bad, first):
        ring.answer(item.number, 2, SENSE)
    ring.publish()
    assert sorted(kernel.reap()) == [1, 2, 3]


def test_a_cdb_of_variable_length_that_is_cut_off() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put(bytes((0x7F, 0, 0, 0, 0, 0, 0, 0xF8, 0, 9)).ljust(32, b"\0"))
    (item,) = ring.take(9)
    assert isinstance(item, Refusal)


def test_task_management_that_makes_no_sense_is_passed_over() -> None:
    kernel = Kernel()
    ring = Ring(kernel.memory)
    kernel.put_management(1, (1,))
    struct.pack_into("=I", kernel.raw, START + 12, 1000)
    assert ring.take(9) == []
    ring.publish()
    assert kernel.reap() == []
    assert kernel.cleaned == kernel.head


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 640), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6),
    st.booleans(),
)
def test_whatever_is_in_the_ring(damage: list[tuple[int, bytes]], scattered: bool) -> None:
    """Nothing but Distrust comes of it, and every piece of memory that is handed out lies in the data area."""
    kernel = Kernel(size=1024)
    ring = Ring(kernel.memory)
    for index in range(3):
        kernel.put(READ, room=2 * PAGE + index, scattered=scattered)
    kernel.put_management(1, (1, 2))
    for at, what in damage:
        kernel.raw[START + at : START + at + len(what)] = what
    with contextlib.suppress(Distrust):
        for item in ring.take(99):
            if isinstance(item, Request):
                for piece in (*item.data, *item.second):
                    piece[:] = b"\xee" * len(piece)
            if not isinstance(item, Management):
                ring.answer(item.number, 2, SENSE)
        ring.publish()
    mailbox = bytes(kernel.raw[:12])
    assert mailbox == struct.pack("=HHII", 2, kernel.flags, START, 1024)
    ring_end = bytes(kernel.raw[START + 700 : START + 1024])
    assert b"\xee" * 8 not in ring_end
