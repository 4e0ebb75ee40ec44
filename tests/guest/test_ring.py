"""The ring of a kernel's fabric as Linux fills it: what becomes of commands when the daemon dies, when a medium hangs,
and when somebody meddles with the ring. The daemon is in the guest, and its initiator is the guest's tcm_loop."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.guest.guestdaemon import GuestDaemon
from tests.guest.machine import Guest

TARGET = "iqn.2026-11.com.example:ring"
RESET = "/sys/kernel/config/target/core/user_*/*_0/action/reset_ring"


def wish(inside: GuestDaemon) -> str:
    """A disk, LUN 0, that can be made to hang, and a library, LUN 1, whose drive is LUN 2."""
    return (
        f'[[target]]\nname = "{TARGET}"\ntransport = "loopback"\nport = "naa.5001405000000077"\n'
        "fabric = { cmd_time_out = 120 }\n"
        f"[target.access]\nanyone = true\n"
        f'[[target.lun]]\nnumber = 1\ndevice = "changer"\nmedium = {{ type = "library", path = "{inside.media}" }}\n'
        f'[target.lun.library]\ndrives = [2]\nslots = 4\ncreate = true\nsize = "16 MiB"\ncartridges = ["AAA001L8"]\n'
        f'[[target.lun]]\nnumber = 0\n[target.lun.medium]\ntype = "file"\npath = "{inside.place}/disk"\n'
        f'size = "64 MiB"\ncreate = true\nfilters = [{{ type = "stalled" }}]\n'
        f'[[target.lun]]\nnumber = 2\ndevice = "tape"\nmedium = {{ type = "tape" }}\n'
    )


@pytest.fixture(scope="module")
def inside(guest: Guest) -> Iterator[GuestDaemon]:
    guest.run(
        "modprobe configfs; mkdir -p /sys/kernel/config; mount -t configfs none /sys/kernel/config; "
        "modprobe -a target_core_user tcm_loop sd_mod sg st ch"
    )
    inside = GuestDaemon(guest, "/run/ring")
    inside.edit(wish(inside))
    inside.start()
    try:
        yield inside
    finally:
        inside.stop()
        guest.run(f"rm -rf {inside.place}; umount /sys/kernel/config")


@pytest.fixture
def disk(inside: GuestDaemon) -> str:
    return inside.device(0)


def test_a_daemon_that_is_killed_and_comes_back_is_a_pause(guest: Guest, inside: GuestDaemon, disk: str) -> None:
    since = guest.heard()
    finish = guest.start(
        f"fio --name=x --filename={disk} --rw=randrw --bs=4k-64k --iodepth=16 --ioengine=libaio --direct=1 --size=48M "
        "--time_based --runtime=8 --verify=crc32c --verify_backlog=32 --verify_state_save=0 --verify_fatal=1",
        timeout=120,
    )
    time.sleep(2)
    inside.kill()
    inside.start()
    inside.served()
    done = finish()
    assert done.status == 0, done.output
    assert "err= 0" in done.output
    assert "I/O error" not in guest.said(since)
    assert "Power-on or device reset occurred" in guest.said(since), "initiators may know"


def test_a_command_is_aborted_while_its_medium_hangs(guest: Guest, inside: GuestDaemon, disk: str) -> None:
    """The kernel takes its LUN back from a worker that still has the command's memory, and gets the memory later."""
    name = disk.rsplit("/", 1)[1]
    guest.run(f"for each in timeout eh_timeout; do echo 1 >/sys/block/{name}/device/$each; done")
    since = guest.heard()
    inside.ask("fault", what="hang", target=TARGET, lun=0)
    began = time.monotonic()
    read = f"dd if={disk} of=/dev/null bs=64k count=1 iflag=direct"
    assert guest.run(read, status=None).status != 0
    assert time.monotonic() - began < 100, "sooner than cmd_time_out could have ended it"
    assert "TMR_FUNCTION_COMPLETE" in guest.said(since)
    inside.ask("fault", what="release", target=TARGET, lun=0)
    guest.run(f"echo running >/sys/block/{name}/device/state; echo 30 >/sys/block/{name}/device/timeout")
    guest.run(f"for each in 1 2 3 4 5; do {read} && exit; sleep 0.3; done; exit 1")
    assert "free_kept_buf" not in guest.said(since), "the kernel has no complaint"
    assert "not given back" not in inside.log()


def test_a_ring_that_another_program_resets_is_taken_over_anew(guest: Guest, inside: GuestDaemon, disk: str) -> None:
    guest.run(f"echo 1 >{RESET}")
    guest.run(f"dd if={disk} of=/dev/null bs=64k count=4 iflag=direct", timeout=40)
    assert "another program has reset it" in inside.log()
    inside.served(times=2)


def test_a_tape_in_its_library_outlives_the_daemon(guest: Guest, inside: GuestDaemon) -> None:
    robot, tape = inside.device(1, "scsi_generic"), inside.device(2, "scsi_tape").replace("nst", "st")
    assert "[ch0] reading element address assignment page failed" not in guest.said(), "it is not LUN 0"
    guest.run(f"mtx -f {robot} load 1 0")
    guest.run(f"tar -C /etc -cf {tape} passwd group && tar -C /etc -df {tape}")
    inside.kill()
    inside.start()
    inside.served()
    assert "(Storage Element 1 Loaded)" in guest.run(f"mtx -f {robot} status").output
    told = guest.run(f"mt -f {tape} status", status=None)
    guest.run(f"tar -C /etc -df {tape}")
    assert told.status or "BOT" in told.output, "where the tape stood is not pretended to be known"
    guest.run(f"mt -f {tape} offline; mtx -f {robot} unload 1 0")
