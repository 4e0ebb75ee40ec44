"""tgtd.media.stalled."""

from __future__ import annotations

import threading

from tgtd.media.ram import RamMedium
from tgtd.media.stalled import StalledMedium


def test_it_hangs_until_told() -> None:
    medium = StalledMedium(RamMedium(1 << 20), ("write",), hanging=True)
    ended = threading.Event()

    def write() -> None:
        medium.write(0, b"x" * 512, False)
        ended.set()

    into = memoryview(bytearray(512))
    thread = threading.Thread(target=write)
    thread.start()
    assert not ended.wait(0.05)
    assert medium.read_now(0, into)
    assert into == bytes(512), "it was not passed on"
    assert not medium.write_now(0, bytes(512))
    medium.release()
    thread.join(5)
    assert ended.is_set()
    medium.read(0, into)
    assert into == b"x" * 512
    assert not medium.hanging
    assert medium.write_now(0, bytes(512)), "it costs nothing while it does not hang"


def test_work_that_was_made_before_it_hangs() -> None:
    medium = StalledMedium(RamMedium(1 << 20), (), hanging=False)
    medium.hang()
    work = medium.writing(0, bytes(512), True)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    medium.release()
    thread.join(5)
    assert not thread.is_alive()
