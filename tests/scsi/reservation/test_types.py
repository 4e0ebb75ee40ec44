"""Reservation matrix: every command by every type by holder, registrant, other, against the standards' tables.

The tables are written down here a second time, as SPC-5 5.14.1 and SBC-4 4.17 have them; the rows must agree.
"""

from __future__ import annotations

import pytest

from tests.scsi.reserving import CONFLICT, REGISTER, RESERVE, Cluster, out
from tgtd.scsi.command import Command
from tgtd.scsi.reservation.types import TYPES
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sense import Refused

# The columns: Write Exclusive, Exclusive Access, registrant of the "RR" types, others under Write Exclusive - RR, under
# Exclusive Access - RR.
ALLOWED, READS, WRITES = "AAAAA", "ACAAC", "CCACC"

TABLE = {
    **dict.fromkeys(
        (
            "INQUIRY",
            "LOG SENSE",
            "PERSISTENT RESERVE IN",
            "READ CAPACITY",
            "READ MEDIA SERIAL NUMBER",
            "RECEIVE COPY DATA",
            "RECEIVE COPY FAILURE DETAILS",
            "RECEIVE COPY OPERATING PARAMETERS",
            "RECEIVE COPY STATUS",
            "RECEIVE ROD TOKEN INFORMATION",
            "REPORT ALIASES",
            "REPORT ALL ROD TOKENS",
            "REPORT IDENTIFYING INFORMATION",
            "REPORT LUNS",
            "REPORT PRIORITY",
            "REPORT REFERRALS",
            "REPORT TARGET PORT GROUPS",
            "REPORT TIMESTAMP",
            "REQUEST SENSE",
            "TEST UNIT READY",
        ),
        ALLOWED,
    ),
    **dict.fromkeys(
        (
            "GET LBA STATUS",
            "GET PHYSICAL ELEMENT STATUS",
            "GET STREAM STATUS",
            "MODE SENSE",
            "POPULATE TOKEN",
            "PRE-FETCH",
            "READ",
            "READ ATTRIBUTE",
            "READ BUFFER",
            "READ DEFECT DATA",
            "RECEIVE DIAGNOSTIC RESULTS",
            "REPORT SUPPORTED OPERATION CODES",
            "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
            "SECURITY PROTOCOL IN",
            "VERIFY",
        ),
        READS,
    ),
    **dict.fromkeys(
        (
            "BACKGROUND CONTROL",
            "CHANGE ALIASES",
            "COMPARE AND WRITE",
            "COPY OPERATION ABORT",
            "EXTENDED COPY",
            "FORMAT UNIT",
            "LOG SELECT",
            "MODE SELECT",
            "ORWRITE",
            "REASSIGN BLOCKS",
            "SANITIZE",
            "SECURITY PROTOCOL OUT",
            "SEND DIAGNOSTIC",
            "SET IDENTIFYING INFORMATION",
            "SET PRIORITY",
            "SET TARGET PORT GROUPS",
            "SET TIMESTAMP",
            "STREAM CONTROL",
            "SYNCHRONIZE CACHE",
            "UNMAP",
            "WRITE",
            "WRITE AND VERIFY",
            "WRITE ATOMIC",
            "WRITE ATTRIBUTE",
            "WRITE BUFFER",
            "WRITE LONG",
            "WRITE SAME",
            "WRITE SCATTERED",
            "WRITE STREAM",
            "WRITE USING TOKEN",
        ),
        WRITES,
    ),
}

BY_CDB = {
    "START STOP UNIT": (("1B0000000100", ALLOWED), ("1B0000000000", WRITES), ("1B0000001100", WRITES)),
    "PREVENT ALLOW MEDIUM REMOVAL": (("1E0000000000", ALLOWED), ("1E0000000100", WRITES)),
}
"""Where the standard looks into the CDB."""

THEIR_OWN = {"PERSISTENT RESERVE IN", "PERSISTENT RESERVE OUT", "RESERVE", "RELEASE"}
"""See spc/test_persistent.py and spc/test_reserve.py."""


def name_of(row: Command) -> str:
    """Without the CDB's length and such: READ(10) is READ."""
    return row.name.partition("(")[0].strip()


def cdb_of(row: Command) -> bytes:
    cdb = bytearray(max(16, len(row.usage)))
    cdb[0] = row.opcode
    if row.opcode == 0x7F:
        cdb[7:10] = row.usage[7:10]
    elif row.action is not None:
        cdb[1] = row.action
    return bytes(cdb)


def cases() -> list[tuple[Command, bytes, str]]:
    found = []
    for row in Disk.rows:
        name = name_of(row)
        if name in BY_CDB:
            found += [(row, bytes.fromhex(cdb).ljust(16, b"\0"), wanted) for cdb, wanted in BY_CDB[name]]
        elif name not in THEIR_OWN:
            assert name in TABLE, f"{row.name}: write down what the standard's table of reservations says"
            found.append((row, cdb_of(row), TABLE[name]))
    return found


def column(code: int, role: str) -> int | None:
    """Which column of the tables is about this I_T nexus; None for a holder, whom nothing stops."""
    if role == "holder" or (role == "registrant" and code in (7, 8)):
        return None
    if code in (1, 3):
        return (1, 3).index(code)
    return 2 if role == "registrant" else 3 + (code in (6, 8))


CASES = cases()
IDS = [f"{row.name}-{cdb[:6].hex()}" for row, cdb, _ in CASES]


@pytest.fixture(scope="module", params=TYPES)
def reserved(request: pytest.FixtureRequest) -> tuple[int, Cluster]:
    """a holds it, b is registered, c is not."""
    code: int = request.param
    cluster = Cluster(removable=True).registered(a=1, b=2)
    cluster.good("a", out(RESERVE, 1, kind=code))
    return code, cluster


@pytest.mark.parametrize(("row", "cdb", "wanted"), CASES, ids=IDS)
@pytest.mark.parametrize(("node", "role"), [("a", "holder"), ("b", "registrant"), ("c", "other")])
def test_gate(reserved: tuple[int, Cluster], node: str, role: str, row: Command, cdb: bytes, wanted: str) -> None:
    """The gate alone, which sees every command before its handler does."""
    code, cluster = reserved
    at = column(code, role)
    gate = cluster.bench.itl(nexus=cluster.nexus(node)).gate
    if at is None or wanted[at] == "A":
        if gate is not None:
            gate(row, cdb)
        return
    assert gate is not None
    with pytest.raises(Refused) as caught:
        gate(row, cdb)
    assert caught.value.status == CONFLICT


def test_no_gate_for_whom_nothing_stops(reserved: tuple[int, Cluster]) -> None:
    """The hot path of a node that may do everything costs what it costs without a reservation."""
    code, cluster = reserved
    assert cluster.bench.itl(nexus=cluster.nexus("a")).gate is None
    assert (cluster.bench.itl(nexus=cluster.nexus("b")).gate is None) is (code >= 5)


@pytest.mark.parametrize(
    ("cdb", "data", "wanted"),
    [
        (bytes(6), None, ALLOWED),
        (bytes.fromhex("25000000000000000000"), None, ALLOWED),
        (bytes.fromhex("28000000000000000100"), None, READS),
        (bytes.fromhex("1A003F00FF00"), None, READS),
        (bytes.fromhex("2A000000000000000100"), bytes(512), WRITES),
        (bytes.fromhex("35000000000000000000"), None, WRITES),
    ],
)
def test_status(reserved: tuple[int, Cluster], cdb: bytes, data: bytes | None, wanted: str) -> None:
    """And through the whole unit: RESERVATION CONFLICT without sense data, or GOOD."""
    code, cluster = reserved
    for node, role in (("a", "holder"), ("b", "registrant"), ("c", "other")):
        at = column(code, role)
        task = cluster.run(node, cdb, data)
        conflict = at is not None and wanted[at] == "C"
        assert (task.status, task.sense) == (CONFLICT if conflict else 0, b"")


def test_a_late_nexus_is_stopped_too(reserved: tuple[int, Cluster]) -> None:
    _, cluster = reserved
    late = cluster.bench.connect("late")
    cluster.bench.ready(nexus=late)
    assert cluster.bench.run(bytes.fromhex("2A000000000000000100"), bytes(512), nexus=late).status == CONFLICT


def test_a_nexus_that_returns_has_its_rights() -> None:
    """Registrations outlive the session: they go by the initiator port's name (SPC-5 5.14.7)."""
    cluster = Cluster().registered(a=1)
    cluster.good("a", out(RESERVE, 1, kind=3))
    cluster.bench.target.disconnect(cluster.nexus("a"))
    cluster.nodes["a"] = cluster.bench.connect("a")
    cluster.bench.ready(nexus=cluster.nexus("a"))
    assert cluster.status("a", bytes.fromhex("28000000000000000100")) == 0
    assert cluster.status("b", bytes.fromhex("28000000000000000100")) == CONFLICT
    cluster.good("a", out(REGISTER, 1, 0))
    assert cluster.status("b", bytes.fromhex("28000000000000000100")) == 0
