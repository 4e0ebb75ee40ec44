from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from tests.hw.configfs.kernel import Kernel
from tests.hw.configfs.test_release import NAME, THEM, US, HeldRing, set_up
from tgtd import cli
from tgtd.cli import fabric
from tgtd.hw.configfs.release import Leftover, leftovers, release

OTHER = "iqn.2026-11.org.test:b"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel(tmp_path)
    monkeypatch.setattr(fabric, "KernelTree", lambda: kernel)
    monkeypatch.setattr(fabric, "release", lambda tree, left: release(tree, left, HeldRing))  # type: ignore[arg-type]
    return kernel


@pytest.fixture
def two(kernel: Kernel) -> Kernel:
    set_up(kernel, US, NAME, "naa.5001405000000001")
    set_up(kernel, THEM, OTHER, "naa.5001405000000002")
    return kernel


def test_nothing_is_there(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fabric"]) == 0
    assert cli.main(["fabric", "release"]) == 0
    assert capsys.readouterr().out == "no tgtd has anything in the kernel\n" * 2


def test_what_is_there(two: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fabric"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split() == ["TARGET", "INSTALLATION", "LUNS", "PORT"]
    assert [NAME, US.hex()[:8], "2", "loopback/naa.5001405000000001/tpgt_1"] in [line.split() for line in told]
    assert cli.main(["fabric", "--json"]) == 0
    assert {row["target"] for row in json.loads(capsys.readouterr().out)["targets"]} == {NAME, OTHER}


def test_one_is_released(two: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fabric", "release", NAME]) == 0
    assert capsys.readouterr().out == f"{NAME}: released\n"
    assert [left.target for left in leftovers(two.take())] == [OTHER]


def test_all_are_released(two: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fabric", "release", "--json"]) == 0
    assert all(row["released"] for row in json.loads(capsys.readouterr().out)["targets"])
    assert two.take().folders == {"loopback"}


def test_one_that_nobody_knows(two: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fabric", "release", "iqn.x"]) != 0
    assert "no tgtd has a target iqn.x in the kernel" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [(errno.EBUSY, 1, "a daemon serves it"), (errno.EIO, 1, "no luck"), (errno.EACCES, 1, "only root may")],
)
def test_what_cannot_be_released(
    two: Kernel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    status: int,
    words: str,
) -> None:
    def fail(tree: Kernel, left: Leftover) -> list[str]:
        raise OSError(number, "no luck")

    monkeypatch.setattr(fabric, "release", fail)
    assert cli.main(["fabric", "release", NAME]) == status
    told = capsys.readouterr()
    assert words in told.out + told.err
