"""One LUN by several ways: port groups of one target, and several targets in several processes."""

from __future__ import annotations

from os import kill
from signal import SIGKILL

import pytest

from tests.conformance.tool import perform
from tests.daemon import eventually, free_port
from tests.initiator import TEST_UNIT_READY, Initiator, read10, write10
from tests.wire.conftest import IQN, Site

pytestmark = pytest.mark.wire

OTHER = f"{IQN}-other"
SUITE = ("Simple", "Reset", "CompareAndWrite", "CompareAndWriteAsync")
SHARE = f'[[target.shared_lun]]\nnumber = 7\ntarget = "{IQN}"\nlun = 1\n'


def target(tags: dict[int, int], *luns: str, name: str = IQN) -> str:
    """tags: TCP port → portal group tag."""
    groups = "".join(
        f'[[target.port_group]]\ntag = {tag}\nportals = ["127.0.0.1:{port}"]\n' for port, tag in tags.items()
    )
    return f'[[target]]\nname = "{name}"\n{groups}[target.access]\nanyone = true\n{"".join(luns)}'


@pytest.fixture
def second(site: Site) -> int:
    """A second TCP port, in a site of two workers."""
    (site.targets.parent / "tgtd.toml").write_text("workers = 2\nstop_timeout = 2\n")
    return free_port()


@pytest.mark.parametrize("test", SUITE)
def test_libiscsi_by_two_groups(site: Site, second: int, test: str) -> None:
    site.write(target({site.port: 1, second: 2}, site.lun(1)))
    site.start()
    outcome = perform(f"SCSI.MultipathIO.{test}", site.url(1), f"iscsi://127.0.0.1:{second}/{IQN}/1")
    assert outcome.verdict == "passed", outcome


@pytest.mark.parametrize("test", SUITE)
def test_libiscsi_by_two_targets(site: Site, second: int, test: str) -> None:
    site.write(target({site.port: 1}, site.lun(1)))
    site.write(target({second: 2}, SHARE, name=OTHER), "b.toml")
    site.start()
    outcome = perform(f"SCSI.MultipathIO.{test}", site.url(1), f"iscsi://127.0.0.1:{second}/{OTHER}/7")
    assert outcome.verdict == "passed", outcome


def ready(initiator: Initiator, lun: int) -> Initiator:
    while initiator.read(TEST_UNIT_READY, 0, lun=lun).status:
        pass
    return initiator


def test_a_lun_is_shared_with_a_target_of_another_process(site: Site, second: int) -> None:
    """The target moves to where the LUN is; what one writes the other reads, and both go on when one target goes."""
    site.write(target({site.port: 1}, site.lun(1)))
    site.write(target({second: 2}, site.lun(9), name=OTHER), "b.toml")
    site.start()
    homes = {row["name"]: row["worker"] for row in site.status()["targets"]}
    assert homes[IQN] != homes[OTHER]
    with site.login() as near:
        ready(near, 1).write(write10(0, 1), b"n" * 512, lun=1)
        site.write(target({second: 2}, site.lun(9), SHARE, name=OTHER), "b.toml")
        assert eventually(lambda: any(row["shared_luns"] for row in site.status()["targets"]))
        homes = {row["name"]: row["worker"] for row in site.status()["targets"]}
        assert homes[IQN] == homes[OTHER]
        with Initiator(("127.0.0.1", second), OTHER).login() as far:
            assert ready(far, 7).read(read10(0, 1), 512, lun=7).data == b"n" * 512
            far.write(write10(1, 1), b"f" * 512, lun=7)
            assert ready(site.login(), 1).read(read10(1, 1), 512, lun=1).data == b"f" * 512
            assert ready(far, 9).read(TEST_UNIT_READY, 0, lun=9).status == 0
        assert f"LUN 7: is LUN 1 of {IQN}" in site.tgtctl("status")
        site.write("", "b.toml")
        assert eventually(lambda: len(site.status()["targets"]) == 1)
        assert ready(site.login(), 1).read(read10(1, 1), 512, lun=1).data == b"f" * 512


def test_the_worker_of_a_shared_lun_dies(site: Site, second: int) -> None:
    site.write(target({site.port: 1}, site.lun(1)))
    site.write(target({second: 2}, SHARE, name=OTHER), "b.toml")
    site.start()
    with site.login() as near:
        ready(near, 1).write(write10(0, 1), b"n" * 512, lun=1)
    status = site.status()
    home = next(row["worker"] for row in status["targets"] if row["name"] == IQN)
    worker = next(row for row in status["workers"] if row["number"] == home)
    kill(worker["pid"], SIGKILL)
    assert eventually(lambda: _pid(site, home) not in (None, worker["pid"]))
    with Initiator(("127.0.0.1", second), OTHER).login() as far:
        assert ready(far, 7).read(read10(0, 1), 512, lun=7).data == b"n" * 512


def _pid(site: Site, number: int) -> int | None:
    row = next(row for row in site.status()["workers"] if row["number"] == number)
    return row["pid"] if row["state"] == "running" else None
