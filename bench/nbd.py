"""The same file over NBD by qemu-nbd: what a user might pick instead, as long as it is a disk that is wanted.

Over a Unix socket: by TCP, with more than one small request in flight, qemu-nbd's answers wait for delayed
acknowledgements (some 400 requests a second), which would say nothing about NBD.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def nbd(disk: Path) -> Iterator[tuple[int, str]]:
    """Serves a raw file. Gives its pid and URL. Raises RuntimeError when it does not start."""
    with tempfile.TemporaryDirectory(prefix="tgtd-nbd-") as place:
        listener = Path(place, "socket")
        words = f"qemu-nbd -f raw --persistent --shared=8 --cache=writeback -k {listener}".split()
        with subprocess.Popen((*words, disk)) as process:
            try:
                deadline = time.monotonic() + 10
                while not listener.exists():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"qemu-nbd does not start: {process.returncode}")
                    time.sleep(0.05)
                yield process.pid, f"nbd+unix:///?socket={listener}"
            finally:
                process.terminate()
