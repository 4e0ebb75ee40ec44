from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tgtd.config.layers import Layers
from tgtd.config.watch import Watch

DEBOUNCE = 0.05


class Bell:
    """Counts calls, and waits for them."""

    def __init__(self) -> None:
        self.rung = 0
        self._condition = threading.Condition()

    def ring(self) -> None:
        with self._condition:
            self.rung += 1
            self._condition.notify_all()

    def heard(self, count: int = 1) -> bool:
        with self._condition:
            return self._condition.wait_for(lambda: self.rung >= count, 10)

    def quiet(self) -> None:
        """Wait until it has not rung for a while, then forget."""
        while True:
            before = self.rung
            time.sleep(6 * DEBOUNCE)
            if self.rung == before:
                self.rung = 0
                return


Starter = Callable[..., Bell]


@pytest.fixture
def start() -> Iterator[Starter]:
    watches: list[Watch] = []

    def begin(directory: Path, also: tuple[Path, ...] = ()) -> Bell:
        bell = Bell()
        watch = Watch(Layers.single(directory), bell.ring, DEBOUNCE, also)
        watch.start()
        watches.append(watch)
        return bell

    yield begin
    for watch in watches:
        watch.stop()


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "conf/targets.d").mkdir(parents=True)
    (tmp_path / "conf/targets.d/a.toml").write_text("x = 1\n")
    return tmp_path / "conf"


def _replace(path: Path, text: str) -> None:
    """As vim does: the old file aside, a new one in its place, the old one away."""
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    path.write_text(text)
    backup.unlink()


def _rename_over(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    draft.rename(path)


EDITS: dict[str, Callable[[Path], object]] = {
    "write": lambda d: (d / "a.toml").write_text("x = 2\n"),
    "vim": lambda d: _replace(d / "a.toml", "x = 2\n"),
    "rename over": lambda d: _rename_over(d / "a.toml", "x = 2\n"),
    "new": lambda d: (d / "b.toml").write_text("x = 2\n"),
    "removed": lambda d: (d / "a.toml").unlink(),
    "masked": lambda d: (d / "b.toml").symlink_to("/dev/null"),
    "mode": lambda d: (d / "a.toml").chmod(0o600),
    "moved away": lambda d: (d / "a.toml").rename(d.parent.parent / "elsewhere"),
    "the daemon's": lambda d: (d.parent / "tgtd.toml").write_text("stop_timeout = 1\n"),
    "directory's mode": lambda d: d.chmod(0o700),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_edits_are_heard(conf: Path, start: Starter, edit: Callable[[Path], object]) -> None:
    bell = start(conf)
    edit(conf / "targets.d")
    assert bell.heard()


def test_again_and_again(conf: Path, start: Starter) -> None:
    bell = start(conf)
    for count in range(1, 6):
        _replace(conf / "targets.d/a.toml", f"x = {count}\n")
        assert bell.heard(), count
        bell.quiet()


def test_a_burst_rings_once(conf: Path, start: Starter) -> None:
    bell = start(conf)
    for count in range(20):
        (conf / "targets.d" / f"{count}.toml").write_text("x = 1\n")
    assert bell.heard()
    time.sleep(10 * DEBOUNCE)
    assert bell.rung <= 5, "one for a burst, and one more for each time that the machine paused in it"


def test_reading_is_no_change(conf: Path, start: Starter) -> None:
    bell = start(conf)
    for _ in range(3):
        (conf / "targets.d/a.toml").read_text()
        os.listdir(conf / "targets.d")
    time.sleep(6 * DEBOUNCE)
    assert bell.rung == 0


def test_what_is_no_configuration_is_no_change(conf: Path, start: Starter) -> None:
    bell = start(conf)
    (conf / "control.socket").write_text("")
    (conf / "targets.d/a.toml.swp").write_text("")
    (conf / "targets.d/a.toml.swp").unlink()
    time.sleep(6 * DEBOUNCE)
    assert bell.rung == 0


def test_a_directory_that_comes_later(tmp_path: Path, start: Starter) -> None:
    bell = start(tmp_path / "far/away/conf")
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "far/away/conf/targets.d").mkdir(parents=True)
    assert bell.heard()
    bell.quiet()
    (tmp_path / "far/away/conf/targets.d/a.toml").write_text("x = 1\n")
    assert bell.heard()


def test_a_directory_that_goes_and_comes_back(conf: Path, start: Starter) -> None:
    bell = start(conf)
    for _ in range(3):
        shutil.rmtree(conf / "targets.d")
        assert bell.heard()
        bell.quiet()
        (conf / "targets.d").mkdir()
        assert bell.heard()
        bell.quiet()
        (conf / "targets.d/a.toml").write_text("x = 1\n")
        assert bell.heard()
        bell.quiet()


def test_a_directory_swapped_at_once(conf: Path, start: Starter) -> None:
    bell = start(conf)
    (conf / "next").mkdir()
    bell.quiet()
    (conf / "targets.d").rename(conf / "last")
    (conf / "next").rename(conf / "targets.d")
    assert bell.heard()
    bell.quiet()
    (conf / "targets.d/a.toml").write_text("x = 3\n")
    assert bell.heard()


def test_kubernetes_swaps_its_data(tmp_path: Path, start: Starter) -> None:
    """..data names the directory of this version; files are links through it; a rename swaps it."""
    volume = tmp_path / "conf/targets.d"
    volume.mkdir(parents=True)

    def publish(version: str) -> None:
        (volume / version).mkdir()
        (volume / version / "a.toml").write_text(f"x = '{version}'\n")
        (volume / "..data_tmp").symlink_to(version)
        (volume / "..data_tmp").rename(volume / "..data")

    publish("..1")
    (volume / "a.toml").symlink_to("..data/a.toml")
    bell = start(tmp_path / "conf")
    for version in ("..2", "..3", "..4"):
        publish(version)
        assert bell.heard(), version
        bell.quiet()
    shutil.rmtree(volume / "..1")
    (volume / "..4/a.toml").write_text("x = 'edited'\n")
    assert bell.heard()


def test_where_links_lead(tmp_path: Path, start: Starter) -> None:
    """The configuration is a link to a checkout, and a file in it a link to a third place."""
    (tmp_path / "checkout/targets.d").mkdir(parents=True)
    (tmp_path / "third").mkdir()
    (tmp_path / "third/real.txt").write_text("x = 1\n")
    (tmp_path / "checkout/targets.d/a.toml").symlink_to(tmp_path / "third/real.txt")
    (tmp_path / "conf").symlink_to("checkout")
    bell = start(tmp_path / "conf")
    (tmp_path / "third/real.txt").write_text("x = 2\n")
    assert bell.heard()
    bell.quiet()
    (tmp_path / "other/targets.d").mkdir(parents=True)
    (tmp_path / "draft").symlink_to("other")
    (tmp_path / "draft").rename(tmp_path / "conf")
    assert bell.heard()
    bell.quiet()
    (tmp_path / "other/targets.d/b.toml").write_text("x = 1\n")
    assert bell.heard()


def test_secrets_too(conf: Path, tmp_path: Path, start: Starter) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/host1").write_text("old")
    bell = start(conf, (tmp_path / "secrets/host1",))
    _rename_over(tmp_path / "secrets/host1", "new")
    assert bell.heard()


def test_follow(conf: Path, tmp_path: Path) -> None:
    bell = Bell()
    watch = Watch(Layers.single(conf), bell.ring, DEBOUNCE)
    watch.start()
    try:
        watch.follow([tmp_path / "later/secret"])
        bell.quiet()
        (tmp_path / "later").mkdir()
        bell.quiet()
        (tmp_path / "later/secret").write_text("x")
        assert bell.heard()
    finally:
        watch.stop()


def test_a_caller_that_fails_is_called_again(conf: Path) -> None:
    bell = Bell()

    def fail() -> None:
        bell.ring()
        raise RuntimeError("not today")

    watch = Watch(Layers.single(conf), fail, DEBOUNCE)
    watch.start()
    try:
        (conf / "targets.d/b.toml").write_text("x = 1\n")
        assert bell.heard()
        bell.quiet()
        (conf / "targets.d/b.toml").write_text("x = 2\n")
        assert bell.heard()
    finally:
        watch.stop()


def test_after_stop_there_is_silence(conf: Path) -> None:
    bell = Bell()
    watch = Watch(Layers.single(conf), bell.ring, DEBOUNCE)
    watch.start()
    watch.stop()
    (conf / "targets.d/b.toml").write_text("x = 1\n")
    time.sleep(4 * DEBOUNCE)
    assert bell.rung == 0
