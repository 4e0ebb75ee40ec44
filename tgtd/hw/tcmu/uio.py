"""The UIO device by which the kernel shares a TCMU backstore's ring (Documentation/target/tcmu-design.rst).

Opening a device and closing it may block: for a worker. The rest takes no waiting.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from pathlib import Path

from tgtd.hw.lack import DROP_IN
from tgtd.hw.tcmu.ring import Distrust, Ring

SYS = Path("/sys")
DEV = Path("/dev")

_EVENT = 4  # bytes: what is read from a UIO device, or written to it, is a number of this size
_TELL = struct.pack("@i", 1)
_AS_BUSY = b"1"


def locate(backstore: Path, sys: Path = SYS) -> str | None:
    """The UIO device of an enabled backstore (…/core/user_<number>/<name>): "uio0". None: there is none, or not yet.

    Its name is "tcm-user/<number>/<name>", and behind another slash what is configured for it.
    """
    number = backstore.parent.name.rpartition("_")[2]
    wanted = f"tcm-user/{number}/{backstore.name}"
    for entry in sorted((sys / "class/uio").glob("uio*")):
        try:
            name = (entry / "name").read_text().rstrip("\n")
        except OSError:
            continue  # it went away meanwhile
        if name == wanted or name.startswith(wanted + "/"):
            return entry.name
    return None


class Uio:
    """A device that is open, alone, with its ring empty. name: for people. Made by `open`.

    memory: shared with the kernel. Only what an iovec of a command under way names may be touched in its data area;
    elsewhere there may be no memory at all, and a touch ends the process (SIGBUS).
    """

    def __init__(self, name: str, fd: int, shared: mmap.mmap, backstore: Path) -> None:
        self.name = name
        self.fd = fd
        self.memory = memoryview(shared)
        self._shared = shared
        self._give_back = backstore / "action/free_kept_buf"

    @classmethod
    def open(cls, backstore: Path, sys: Path = SYS, dev: Path = DEV) -> Uio:
        """Open the device of a backstore, and take its ring over.

        What a predecessor has left in the ring is answered with BUSY, so that initiators send it again: as answers take
        the place of other entries, the ring does not tell what was left without one. Raises OSError, in words for the
        administrator.
        """
        node = locate(backstore, sys)
        if node is None:
            raise OSError(errno.ENODEV, f"the kernel has no UIO device for {backstore}: is it enabled?")
        path = dev / node
        fd = _open(path)
        try:
            size = int((sys / "class/uio" / node / "maps/map0/size").read_text(), 0)
            (backstore / "action/reset_ring").write_bytes(_AS_BUSY)
            shared = mmap.mmap(fd, size)
            Ring(memoryview(shared))
        except (Distrust, ValueError) as trouble:
            os.close(fd)
            raise OSError(errno.EPROTO, f"{path}: {trouble}") from None
        except OSError as trouble:
            os.close(fd)
            raise OSError(trouble.errno, f"cannot take over {path}: {trouble.strerror}") from None
        return cls(f"{backstore.parent.name}/{backstore.name} ({node})", fd, shared, backstore)

    def hear(self) -> None:
        """Take note of the event that made the device readable. Raises OSError when the device is gone."""
        try:
            os.read(self.fd, _EVENT)
        except BlockingIOError:
            pass

    def tell(self) -> None:
        """Have the kernel look at the answers, of which it copies the data. Raises OSError when the device is gone."""
        os.write(self.fd, _TELL)

    def give_back(self, number: int) -> None:
        """The data of a command that was answered with its buffer kept is not used any more. Raises OSError."""
        self._give_back.write_bytes(b"%d" % number)

    def close(self) -> None:
        """Idempotent. Where a worker still uses the memory, it and the device stay until that has ended."""
        if self.fd < 0:
            return
        os.close(self.fd)
        self.fd = -1
        try:
            self.memory.release()
            self._shared.close()
        except BufferError:
            pass  # its last user frees it


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as trouble:
        why = {
            errno.EBUSY: "another program serves it (tgtd, tcmu-runner): stop that one",
            errno.ENOENT: "there is no such node; udev or devtmpfs is to make it",
            errno.EACCES: f"tgtd may not open it; {DROP_IN}",
            errno.EPERM: f"tgtd may not open it; {DROP_IN}",
        }.get(trouble.errno or 0, trouble.strerror)
        raise OSError(trouble.errno, f"cannot open {path}: {why}") from None
