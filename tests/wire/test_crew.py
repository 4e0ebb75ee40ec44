"""Several processes: each target in one of them, and what happens when one of them dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import eventually
from tests.initiator import TEST_UNIT_READY, Initiator, read10, write10
from tests.wire.conftest import Site, run, sha256

pytestmark = pytest.mark.wire

ONE, TWO, THREE = (f"iqn.2026-11.org.test:{name}" for name in ("one", "two", "three"))


@pytest.fixture
def crew(site: Site) -> Site:
    """Two workers, two targets, one disk each; LUN n of the n-th target."""
    (site.targets.parent / "tgtd.toml").write_text("workers = 2\nstop_timeout = 2\n")
    for number, name in ((1, ONE), (2, TWO)):
        site.write(site.target(site.lun(number), name=name), f"{number}.toml")
    site.start()
    return site


def workers(site: Site) -> dict[int, dict[str, Any]]:
    return {row["number"]: row for row in site.status()["workers"]}


def home(site: Site, target: str) -> int:
    """The number of the worker that serves a target."""
    return next(int(row["worker"]) for row in site.status()["targets"] if row["name"] == target)


def pid_of(site: Site, target: str) -> int:
    return int(workers(site)[home(site, target)]["pid"])


def back(site: Site, target: str, before: int) -> None:
    """Until the target's worker is another process, and serves."""
    number = home(site, target)
    assert eventually(
        lambda: workers(site)[number]["state"] == "running" and workers(site)[number]["pid"] not in (None, before)
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ready(initiator: Initiator, lun: int) -> Initiator:
    initiator.read(TEST_UNIT_READY, 0, lun=lun)  # POWER ON
    return initiator


def until_it_breaks(initiator: Initiator) -> None:
    for _ in range(1000):
        initiator.read(TEST_UNIT_READY, 0, lun=1)


def test_each_target_has_its_process(crew: Site, tmp_path: Path) -> None:
    """Discovery, and real images by a client of others, in both."""
    assert {home(crew, ONE), home(crew, TWO)} == {1, 2}
    found = run("iscsi-ls", "-s", crew.url())
    assert ONE in found
    assert TWO in found
    assert found.count("Type:DIRECT_ACCESS") == 2
    image = tmp_path / "image"
    image.write_bytes(os.urandom(1 << 20) * 64)
    for number, name in ((1, ONE), (2, TWO)):
        run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, crew.url(number, name=name))
        run("qemu-img", "compare", "-f", "raw", "-F", "raw", image, crew.url(number, name=name))
        assert sha256(crew.media / f"lun{number}.img") == sha256(image)


def test_a_worker_is_killed(crew: Site) -> None:
    """The other target's session does not notice; what was acknowledged is there; the initiator is let in again."""
    with ready(crew.login(target=TWO), 2) as bystander:
        before = pid_of(crew, ONE)
        written = 0
        with ready(crew.login(target=ONE), 1) as victim:
            for block in range(200):
                assert victim.write(write10(block * 8, 8), bytes([block]) * 4096, lun=1).status == 0
                written += 1
                assert bystander.write(write10(block * 8, 8), bytes([block]) * 4096, lun=2).status == 0
            os.kill(before, signal.SIGKILL)
            with pytest.raises((OSError, EOFError, AssertionError)):
                until_it_breaks(victim)
        assert eventually(lambda: workers(crew)[home(crew, ONE)]["pid"] != before)
        # From here on: a connection waits until there is somebody to take it.
        with ready(crew.login(target=ONE), 1) as again:
            for block in range(written):
                assert again.read(read10(block * 8, 8), 4096, lun=1).data == bytes([block]) * 4096
        for block in range(written):
            assert bystander.read(read10(block * 8, 8), 4096, lun=2).data == bytes([block]) * 4096
        back(crew, ONE, before)
    row = workers(crew)[home(crew, ONE)]
    assert row["restarts"] == 1
    assert "SIGKILL" in row["cause"]
    assert workers(crew)[home(crew, TWO)]["restarts"] == 0
    assert "SIGKILL" in crew.tgtctl("status")


def test_a_worker_that_hangs_is_replaced(crew: Site) -> None:
    before = pid_of(crew, ONE)
    os.kill(before, signal.SIGSTOP)
    assert eventually(lambda: workers(crew)[home(crew, TWO)]["state"] == "running")
    assert eventually(lambda: not alive(before), 60)
    with ready(crew.login(target=ONE), 1) as initiator:
        assert initiator.read(read10(0, 8), 4096, lun=1).status == 0


def test_status_does_not_wait_for_one_that_hangs(crew: Site) -> None:
    before = pid_of(crew, ONE)
    os.kill(before, signal.SIGSTOP)
    try:
        names = {row["name"]: len(row["luns"]) for row in crew.status()["targets"]}
        assert names == {ONE: 0, TWO: 1}
    finally:
        os.kill(before, signal.SIGCONT)


def test_edits(crew: Site) -> None:
    """Add, grow, change, remove, and a file that is refused; sessions that are not concerned live on."""
    with ready(crew.login(target=TWO), 2) as bystander:
        crew.write(crew.target(crew.lun(1), crew.lun(3), name=ONE), "1.toml")
        crew.write(crew.target(crew.lun(4), name=THREE), "3.toml")
        crew.tgtctl("reload")
        assert {row["name"]: len(row["luns"]) for row in crew.status()["targets"]} == {ONE: 2, TWO: 1, THREE: 1}
        with ready(crew.login(target=THREE), 4) as third:
            assert third.read(read10(0, 8), 4096, lun=4).status == 0
            crew.write(crew.target(crew.lun(4, size="96 MiB"), name=THREE), "3.toml")
            crew.tgtctl("reload")
            assert third.read(TEST_UNIT_READY, 0, lun=4).asc == (6, 0x2A, 9)  # CAPACITY DATA HAS CHANGED
        crew.write(crew.target(crew.lun(4, size="32 MiB"), name=THREE), "3.toml")
        refused = crew.tgtctl("reload", status=1)
        assert "3.toml" in refused
        assert "allow_shrink" in refused
        (crew.targets / "3.toml").unlink()
        crew.tgtctl("reload")
        assert {row["name"] for row in crew.status()["targets"]} == {ONE, TWO}
        assert bystander.read(read10(0, 8), 4096, lun=2).status == 0


def test_what_a_worker_refuses_nobody_does(crew: Site) -> None:
    """A size is declared where none was, less than initiators know: only the worker can tell."""
    path = crew.media / "bare.img"
    path.write_bytes(bytes(8 << 20))
    bare = crew.lun(5, medium=f'{{ type = "file", path = "{path}" }}')
    crew.write(crew.target(crew.lun(1), bare, name=ONE), "1.toml")
    crew.tgtctl("reload")
    small = crew.lun(5, medium=f'{{ type = "file", path = "{path}", size = "4 MiB" }}')
    crew.write(crew.target(crew.lun(1), small, name=ONE), "1.toml")
    crew.write(crew.target(crew.lun(2), crew.lun(6), name=TWO), "2.toml")
    assert "allow_shrink" in crew.tgtctl("reload", status=1)
    assert {row["name"]: len(row["luns"]) for row in crew.status()["targets"]} == {ONE: 2, TWO: 1}
    crew.write(crew.target(crew.lun(1), bare, name=ONE), "1.toml")
    crew.tgtctl("reload")
    assert {row["name"]: len(row["luns"]) for row in crew.status()["targets"]} == {ONE: 2, TWO: 2}


def test_a_file_goes_from_one_worker_to_another(crew: Site) -> None:
    with ready(crew.login(target=ONE), 1) as initiator:
        assert initiator.write(write10(0, 8), b"m" * 4096, lun=1).status == 0
    crew.write(crew.target(crew.lun(7), name=ONE), "1.toml")
    crew.write(crew.target(crew.lun(2), crew.lun(1), name=TWO), "2.toml")
    crew.tgtctl("reload")
    with ready(crew.login(target=TWO), 1) as initiator:
        assert initiator.read(read10(0, 8), 4096, lun=1).data == b"m" * 4096


def test_the_main_process_is_killed(crew: Site) -> None:
    """Its workers flush and end; nobody holds what the next one needs."""
    assert crew.process is not None
    pids = [int(row["pid"]) for row in workers(crew).values()]
    with ready(crew.login(target=ONE), 1) as initiator:
        assert initiator.write(write10(0, 8), b"k" * 4096, lun=1).status == 0
        crew.kill()
        assert eventually(lambda: not any(alive(pid) for pid in pids))
    assert (crew.media / "lun1.img").read_bytes()[:4096] == b"k" * 4096
    crew.start()
    with ready(crew.login(target=ONE), 1) as initiator:
        assert initiator.read(read10(0, 8), 4096, lun=1).data == b"k" * 4096


def test_stop(crew: Site) -> None:
    pids = [int(row["pid"]) for row in workers(crew).values()]
    assert crew.process is not None
    process = crew.process
    crew.tgtctl("stop")
    process.wait(30)
    assert process.returncode == 0
    assert not any(alive(pid) for pid in pids)
