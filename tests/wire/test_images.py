"""Images of tgt's tapes: made by tgtimg, written by tgtd, and taken over into cartridges of ours."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon import free_port
from tests.initiator import Initiator
from tests.wire.conftest import run
from tgtd.cli import main
from tgtd.media.cartridge.cartridge import Cartridge
from tgtd.media.cartridge.simh import records

pytestmark = pytest.mark.wire

TARGET = "iqn.2026-11.com.example:tape"
FILEMARKS = bytes.fromhex("100000000200")


@contextmanager
def served(place: Path, image: Path) -> Iterator[int]:
    """tgtd with the image as LUN 1; gives its port."""
    port = free_port()
    control = str(port % 20000 + 1000)
    words = ("tgtd", "-f", "-C", control, "--iscsi", f"portal=127.0.0.1:{port}")
    with (place / "tgt.log").open("w") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        try:
            for more in (
                "--op new --mode target --tid 1 -T " + TARGET,
                f"--op new --mode logicalunit --tid 1 --lun 1 --device-type tape --bstype ssc -b {image}",
                "--op bind --mode target --tid 1 -I ALL",
            ):
                admin(control, more)
            yield port
        finally:
            process.kill()  # it ignores SIGTERM while it has targets


def admin(control: str, words: str) -> None:
    """tgtd takes a moment until it answers."""
    for _ in range(50):
        if not subprocess.run(("tgtadm", "-C", control, "--lld", "iscsi", *words.split()), check=False).returncode:
            return
        time.sleep(0.1)
    raise AssertionError(f"tgtadm {words}")


def test_an_image_of_tgt(tmp_path: Path) -> None:
    image, tape, out = tmp_path / "image", tmp_path / "A00001L8.tape", tmp_path / "out.tap"
    new = ("--op", "new", "--device-type", "tape", "--barcode", "A00001", "--size", "16", "--type", "data")
    run("tgtimg", *new, "--file", image)
    blocks = [os.urandom(length) for length in (1, 512, 65536, 10240)]
    with served(tmp_path, image) as port, Initiator(("127.0.0.1", port), TARGET).login() as initiator:
        while initiator.read(bytes(6), 0, lun=1).status:
            pass
        for block in blocks:
            assert initiator.write(b"\x0a\0" + len(block).to_bytes(3, "big") + b"\0", block, lun=1).status == 0
        assert initiator.read(FILEMARKS, 0, lun=1).status == 0
        assert initiator.write(b"\x0a\0\0\0\5\0", b"after", lun=1).status == 0
    assert main(["medium", "create", "tape", str(tape), "--size", "16 MiB"]) == 0
    assert main(["medium", "import", str(tape), str(image)]) == 0
    cartridge = Cartridge.open(str(tape))
    assert (cartridge.partitions[0].objects, cartridge.partitions[0].filemarks) == (7, 2)
    cartridge.close()
    assert main(["medium", "export", str(tape), str(out)]) == 0
    with out.open("rb") as file:
        assert list(records(file, "out")) == [*blocks, None, None, b"after"]
