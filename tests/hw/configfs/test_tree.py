from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from tests.hw.configfs.kernel import Kernel
from tgtd.hw.configfs.difference import MakeFolder, MakeLink, RemoveFolder, RemoveLink, Write
from tgtd.hw.configfs.item import Value
from tgtd.hw.configfs.tree import KernelRefusal, KernelTree

STORE = "core/user_7/a"
GROUP = "fc/20:00:00:00:00:00:00:01/tpgt_1"
MAKING = [
    MakeFolder("core/user_7"),
    MakeFolder(STORE),
    Write(f"{STORE}/control", "dev_config=tgtd/x/0/t"),
    Write(f"{STORE}/enable", "1", "0"),
    MakeFolder("fc"),
    MakeFolder("fc/20:00:00:00:00:00:00:01"),
    MakeFolder(GROUP),
    MakeFolder(f"{GROUP}/lun/lun_0"),
    MakeLink(f"{GROUP}/lun/lun_0/tgtd", STORE),
    MakeFolder(f"{GROUP}/acls/20:00:00:00:00:00:00:02"),
    MakeFolder(f"{GROUP}/acls/20:00:00:00:00:00:00:02/lun_4"),
    MakeLink(f"{GROUP}/acls/20:00:00:00:00:00:00:02/lun_4/tgtd", f"{GROUP}/lun/lun_0"),
]


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_a_picture_shows_what_was_made_and_not_what_the_kernel_adds(kernel: Kernel) -> None:
    kernel.carry_out(MAKING)
    enabled = Value(f"{STORE}/enable", "1")
    there = kernel.take([enabled, Value(f"{STORE}/nothing", "1"), Value(f"{STORE}/control", "x", once=True)])
    assert there.folders == {step.path for step in MAKING if isinstance(step, MakeFolder)}
    assert there.links == {step.path: step.to for step in MAKING if isinstance(step, MakeLink)}
    assert there.values == {f"{STORE}/enable": "1"}
    assert there.configurations == {STORE: "tgtd/x/0/t"}


def test_where_there_is_no_configuration_there_is_nothing(tmp_path: Path) -> None:
    assert KernelTree(tmp_path / "none").take().folders == frozenset()


@pytest.mark.parametrize("gone", ["lun_0", "lun_0/tgtd"])
def test_what_others_take_away_meanwhile_is_not_in_the_picture(
    kernel: Kernel, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.carry_out(MAKING)
    lun, plain, readlink = kernel.root / GROUP / "lun/lun_0", kernel._names, os.readlink

    def names(place: str) -> list[str]:
        found = plain(place)
        if place == f"{GROUP}/lun" and gone == "lun_0":
            shutil.rmtree(lun)
        return found

    def led_to(link: str) -> str:
        Path(link).unlink()
        return readlink(link)

    monkeypatch.setattr(kernel, "_names", names)
    if gone == "lun_0/tgtd":
        monkeypatch.setattr(os, "readlink", led_to)
    assert f"{GROUP}/lun/lun_0/tgtd" not in kernel.take().links


@pytest.mark.parametrize("at", range(1, len(MAKING)))
def test_a_step_that_fails_takes_those_before_it_back(kernel: Kernel, at: int) -> None:
    before = kernel.take()
    kernel.broken = MAKING[at].path
    if any(kernel.broken in step.path for step in MAKING[:at]):
        pytest.skip("an earlier step fails by that path")
    with pytest.raises(KernelRefusal, match="Input/output error") as caught:
        kernel.carry_out(MAKING)
    assert MAKING[at].path in str(caught.value)
    assert caught.value.errno == errno.EIO
    assert kernel.take().folders == before.folders
    assert kernel.take().links == before.links


def test_removal_is_taken_back_too(kernel: Kernel) -> None:
    kernel.carry_out(MAKING)
    link = MAKING[-1]
    assert isinstance(link, MakeLink)
    with pytest.raises(KernelRefusal, match="rmdir"):
        kernel.carry_out([RemoveLink(link.path, link.to), RemoveFolder(GROUP)])
    assert kernel.take().links[link.path] == link.to


def test_a_value_that_was_known_is_written_back(kernel: Kernel) -> None:
    kernel.carry_out(MAKING[:4])
    with pytest.raises(KernelRefusal):
        kernel.carry_out([Write(f"{STORE}/attrib/cmd_time_out", "5", "30"), MakeFolder("nonsense")])
    assert (kernel.root / STORE / "attrib/cmd_time_out").read_text() == "30\n"


def test_removing_goes_on_after_a_refusal(kernel: Kernel) -> None:
    kernel.carry_out(MAKING)
    acl = MAKING[-1]
    assert isinstance(acl, MakeLink)
    told = list(kernel.remove([RemoveFolder(STORE), RemoveLink(acl.path, acl.to)]))
    assert told == [f"rmdir {STORE}: {os.strerror(errno.EBUSY)}"]
    assert acl.path not in kernel.take().links


def test_one_works_in_it_at_a_time(kernel: Kernel) -> None:
    """Whoever comes second finds what the first has left; and what takes too long does not stop it."""
    other, seen = KernelTree(kernel.root), []
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with other.alone():
            seen.append(other.take().folders)

    thread = threading.Thread(target=second)
    with kernel.alone():
        thread.start()
        begun.wait()
        kernel.carry_out(MAKING)
        with other.alone(patience=0.0):
            assert not seen
    thread.join()
    assert seen == [kernel.take().folders]


def test_where_there_is_no_configuration_nobody_is_in_the_way(tmp_path: Path) -> None:
    with KernelTree(tmp_path / "nothing").alone():
        assert KernelTree(tmp_path / "nothing").take().folders == frozenset()


def test_the_real_thing_does_what_it_is_told(tmp_path: Path) -> None:
    """Without the kernel's rules: each step on a plain directory."""
    tree = KernelTree(tmp_path)
    (tmp_path / "file").write_text("")
    tree.carry_out([MakeFolder("a"), MakeFolder("b"), MakeLink("b/l", "a"), Write("file", "x")])
    assert (tmp_path / "b/l").resolve() == tmp_path / "a"
    assert (tmp_path / "file").read_text() == "x"
    tree.carry_out([RemoveLink("b/l", "a"), RemoveFolder("a"), RemoveFolder("b")])
    assert os.listdir(tmp_path) == ["file"]
