"""The same file over NBD by qemu-nbd: what a user might pick instead, as long as it is a disk that is wanted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.daemon import free_port


@contextmanager
def nbd(disk: Path) -> Iterator[tuple[int, str]]:
    """Serves a raw file. Gives its pid and URL. Raises RuntimeError when it does not start."""
    port = free_port()
    words = f"qemu-nbd -f raw --persistent --shared=8 --cache=writeback -b 127.0.0.1 -p {port}".split()
    with subprocess.Popen((*words, disk)) as process:
        try:
            time.sleep(0.5)
            if process.poll() is not None:
                raise RuntimeError(f"qemu-nbd ended with {process.returncode}")
            yield process.pid, f"nbd://127.0.0.1:{port}"
        finally:
            process.terminate()
