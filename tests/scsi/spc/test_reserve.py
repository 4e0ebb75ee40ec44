"""tgtd.scsi.spc.reserve: RESERVE and RELEASE of SPC-2, and beside persistent reservations (SPC-5 5.14.3)."""

from __future__ import annotations

import pytest

from tests.scsi.reserving import CLEAR, CONFLICT, KEYS, REGISTER, RESERVE, Cluster, out, read
from tests.scsi.workbench import TUR
from tgtd.scsi.reservation.types import TYPES
from tgtd.scsi.target import TaskManagement

RESERVE_6, RELEASE_6 = bytes.fromhex("160000000000"), bytes.fromhex("170000000000")
RESERVE_10, RELEASE_10 = (bytes.fromhex(f"{code}000000000000000000") for code in ("56", "57"))
READ, INQUIRY, REQUEST_SENSE = (bytes.fromhex(x) for x in ("28000000000000000100", "120000002400", "030000001200"))
REPORT_LUNS = bytes.fromhex("A00000000000000000FF0000")
ALLOW, PREVENT = bytes.fromhex("1E0000000000"), bytes.fromhex("1E0000000100")


@pytest.mark.parametrize(("reserve", "release"), [(RESERVE_6, RELEASE_6), (RESERVE_10, RELEASE_10)])
def test_reserve_and_release(reserve: bytes, release: bytes) -> None:
    cluster = Cluster(removable=True)
    assert [cluster.status("a", reserve) for _ in range(2)] == [0, 0]
    for cdb in (TUR, READ, PREVENT, reserve):
        assert (cluster.status("b", cdb), cluster.status("a", cdb)) == (CONFLICT, 0), cdb.hex()
    for cdb in (INQUIRY, REQUEST_SENSE, REPORT_LUNS, ALLOW, release):
        assert cluster.status("b", cdb) == 0, cdb.hex()
    assert cluster.status("b", TUR) == CONFLICT, "releasing another's reservation does nothing"
    assert cluster.status("a", release) == 0
    assert cluster.status("b", TUR) == 0


def test_persistent_commands_conflict_whoever_sends_them() -> None:
    cluster = Cluster()
    cluster.status("a", RESERVE_6)
    for node in "ab":
        assert cluster.status(node, read(KEYS)) == CONFLICT
        assert cluster.status(node, out(REGISTER, 0, 5)) == CONFLICT


@pytest.mark.parametrize("how", ["nexus loss", "nexus reset", "unit reset", "target reset"])
def test_what_ends_it(how: str) -> None:
    cluster = Cluster()
    cluster.status("a", RESERVE_6)
    target = cluster.bench.target
    if how == "nexus loss":
        target.disconnect(cluster.nexus("a"))
    elif how == "nexus reset":
        target.manage(TaskManagement.I_T_NEXUS_RESET, cluster.nexus("a"))
    elif how == "unit reset":
        target.manage(TaskManagement.LOGICAL_UNIT_RESET, cluster.nexus("b"))
    else:
        target.manage(TaskManagement.TARGET_RESET, cluster.nexus("b"))
    cluster.bench.ready(nexus=cluster.nexus("b"))
    assert cluster.status("b", READ) == 0
    assert cluster.disk.reservations.legacy is None


def test_anothers_loss_does_not_end_it() -> None:
    cluster = Cluster()
    cluster.status("a", RESERVE_6)
    cluster.bench.target.disconnect(cluster.nexus("b"))
    assert cluster.status("c", READ) == CONFLICT


@pytest.mark.parametrize("code", [None, *TYPES])
def test_beside_persistent_reservations(code: int | None) -> None:
    """CRH: GOOD and no effect for those whom the persistent reservation lets through; a conflict for the others."""
    cluster = Cluster().registered(a=1, b=2)
    if code is not None:
        cluster.good("a", out(RESERVE, 1, kind=code))
    passing = {"a": code is not None, "b": code is not None and code >= 5, "c": False}
    for cdb in (RESERVE_6, RELEASE_6, RESERVE_10, RELEASE_10):
        for node, passes in passing.items():
            assert cluster.status(node, cdb) == (0 if passes else CONFLICT), (node, cdb.hex())
    assert cluster.disk.reservations.legacy is None
    assert cluster.held() == (None if code is None else (0 if code >= 7 else 1, code))
    cluster.good("a", out(CLEAR, 1))
    assert cluster.status("c", RELEASE_6) == 0


@pytest.mark.parametrize("cdb", [RESERVE_6, RELEASE_6, RESERVE_10, RELEASE_10])
def test_third_parties_and_extents_are_not_there(cdb: bytes) -> None:
    cluster = Cluster()
    assert cluster.status("a", bytes((cdb[0], 0x01)) + cdb[2:]) == 0x02
    assert cluster.status("a", bytes((cdb[0], 0x10)) + cdb[2:]) == 0x02


def test_it_is_not_known_yet_what_is_reserved() -> None:
    cluster = Cluster()
    cluster.disk.reservations.forget()
    assert cluster.bench.refused(RESERVE_6, nexus=cluster.nexus("a")) == (2, 0x04, 0x01)
    cluster.disk.reservations.adopt(cluster.disk.reservations.state, None, lost="damaged")
    assert cluster.bench.refused(RESERVE_6, nexus=cluster.nexus("a")) == (7, 0x44, 0x01)
