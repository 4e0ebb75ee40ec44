"""tgtctl status and tgtctl sessions, on what a real tree says of itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import desk
from tests.inside import inside
from tgtd import cli
from tgtd.status import Reload, pieces

SESSION = {
    "initiator": "iqn.i",
    "alias": "",
    "target": "iqn.t",
    "isid": "000000000000",
    "tsih": 1,
    "user": "",
    "addresses": ["10.0.0.1:5"],
    "since": 0.0,
    "tasks": 3,
    "bytes_read": 1 << 20,
    "bytes_written": 0,
}


def document(tmp_path: Path) -> Any:
    (tmp_path / "x").mkdir()
    with inside(tmp_path / "x") as site:
        site.write(site.lun(1), site.lun(2, None), head='alias = "vms"')
        site.start()
        site.health.last_reload = Reload("refused", "SIGHUP", 0.0, errors=("a.toml:1:1: no",))
        found = json.loads("".join(pieces(site.tree, site.health)))
    found["targets"][0]["sessions"].append(SESSION)
    found["targets"][0]["luns"][0]["counters"]["medium_errors"] = 3
    found["targets"][0]["luns"][0]["last_medium_error"] = {"what": "No space left on device", "time": time.time() - 61}
    found["targets"][0]["luns"][0]["failed_self_test"] = "a short self-test could not read block 7"
    found["targets"][0]["luns"][0]["worries"] = ["no slot is free for cartridge A"]
    found["counters"]["refused_logins"] = 2
    return found


def test_status_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with desk(tmp_path) as it:
        it.answer(document(tmp_path))
        assert cli.main(["status", "--run", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    for words in (
        "configuration generation 1",
        "(SIGHUP): REFUSED",
        "  a.toml:1:1: no",
        "1 target, 2 LUNs (1 online, 1 pending, 0 offline), 0 sessions",
        'iqn.2026-11.org.test:a "vms"',
        "2.img does not exist",
        "a.toml:13:1)",
        "LUN 1: no slot is free for cartridge A",
        "LUN 1: 3 commands failed on its medium, the last 1 min 1 s ago: No space left on device",
        "LUN 1: a short self-test could not read block 7",
        "2 logins refused since the start; the log says why",
        "io_uring is not used: not asked for",
        "INITIATOR",
        "10.0.0.1:5",
    ):
        assert words in told
    assert all(line == line.rstrip() for line in told.splitlines())


def test_status_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(tmp_path)
    with desk(tmp_path) as it:
        it.answer(found)
        assert cli.main(["status", "--json", "--run", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == found


def test_a_target_on_a_fabric_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(tmp_path)
    found["targets"][0]["sessions"].clear()
    found["targets"][0]["fabric"] = {
        "fabric": "srp",
        "port": "0xfe80",
        "state": "pending",
        "cause": "this machine has no RDMA port; load its driver",
        "port_state": "not there",
        "commands": 7,
        "bytes_read": 1 << 20,
        "bytes_written": 0,
        "refused_entries": 1,
    }
    found["counters"]["waiting"] = 1
    with desk(tmp_path) as it:
        it.answer(found)
        assert cli.main(["status", "--run", str(tmp_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "1 target (1 pending), 2 LUNs (1 online, 1 pending, 0 offline), 0 sessions" in told
    assert "  srp port 0xfe80 (pending): not there" in told
    assert "  this machine has no RDMA port; load its driver" in told
    assert "  7 commands from the kernel, 1 MiB read, 0 B written" in told
    assert "  entries of its rings that were refused: 1; the log says why" in told
    assert "  no sessions" not in told
    assert not any("portals" in line for line in told)
