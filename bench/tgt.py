"""Debian's tgtd, the system we replace, as the other side of a comparison."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.daemon import free_port

PROGRAM = "/usr/sbin/tgtd"
TARGET = "iqn.2026-11.com.example:tgt"
DIGESTS = TARGET + ".digests"
"""The same disks. Once it may, it takes digests even from initiators that would rather have none, as most would."""


@contextmanager
def tgt(place: Path, disks: list[Path], tape: Path | None = None) -> Iterator[tuple[int, str]]:
    """Serves `disks` as LUN 1 and up with its rdwr backing store, and a cartridge of its own kind as the next.

    Gives its pid and the URL that LUN numbers follow.

    Raises RuntimeError when it does not start.
    """
    port = free_port()
    control = str(port % 20000 + 1000)  # tgtd's own numbering of its control sockets
    words = (PROGRAM, "-f", "-C", control, "--iscsi", f"portal=127.0.0.1:{port}")
    with (place / "tgt.log").open("w") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        try:
            for tid, name in (("1", TARGET), ("2", DIGESTS)):
                _admin(control, "--op", "new", "--mode", "target", "--tid", tid, "-T", name)
                for number, disk in enumerate(disks, 1):
                    lun = ("--lun", str(number), "-b", str(disk))
                    _admin(control, "--op", "new", "--mode", "logicalunit", "--tid", tid, *lun)
                if tape is not None:
                    kind = ("--device-type", "tape", "--bstype", "ssc")
                    lun = ("--lun", str(len(disks) + 1), "-b", str(tape))
                    _admin(control, "--op", "new", "--mode", "logicalunit", "--tid", tid, *lun, *kind)
                _admin(control, "--op", "bind", "--mode", "target", "--tid", tid, "-I", "ALL")
            for key in ("HeaderDigest", "DataDigest"):
                _admin(control, "--op", "update", "--mode", "target", "--tid", "2", "-n", key, "-v", "None,CRC32C")
            yield process.pid, f"iscsi://127.0.0.1:{port}/{TARGET}/"
        finally:
            process.kill()  # it ignores SIGTERM while it has targets


def blank(file: Path, size: int) -> None:
    """A cartridge of its kind. size: bytes."""
    words = ("--op", "new", "--device-type", "tape", "--barcode", "A00001L8", "--size", str(size >> 20))
    subprocess.run(("tgtimg", *words, "--type", "data", "--file", str(file)), check=True, capture_output=True)


def _admin(control: str, *words: str) -> None:
    """tgtadm; tgtd takes a moment until it answers."""
    for _ in range(50):
        done = subprocess.run(
            ("tgtadm", "-C", control, "--lld", "iscsi", *words), capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError(f"tgtadm {' '.join(words)}: {done.stderr}")
