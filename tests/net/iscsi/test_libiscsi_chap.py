"""CHAP as libiscsi's tools speak it: version 1.19 offers MD5 and nothing else."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.net.iscsi.conftest import NAME, Stage
from tgtd.net.iscsi.settings import Access, Chap, Credentials

SECRET, OURS = "initiatorsecret", "targetssecret123"
pytestmark = pytest.mark.skipif(shutil.which("iscsi-inq") is None, reason="needs libiscsi-bin")


def access(*algorithms: str, mutual: bool = False) -> Access:
    ours = Credentials("us", OURS.encode()) if mutual else None
    return Access(anyone=True, chap=Chap({"host": SECRET.encode()}, ours, algorithms or ("md5",)))


def inquire(stage: Stage, who: str = "", query: str = "") -> subprocess.CompletedProcess[str]:
    url = f"iscsi://{who}{stage.address[0]}:{stage.address[1]}/{NAME}/1{query}"
    return subprocess.run(["iscsi-inq", url], capture_output=True, text=True, timeout=10, check=False)


def discover(stage: Stage, who: str = "", query: str = "") -> subprocess.CompletedProcess[str]:
    url = f"iscsi://{who}{stage.address[0]}:{stage.address[1]}/{query}"
    return subprocess.run(["iscsi-ls", url], capture_output=True, text=True, timeout=10, check=False)


RIGHT = f"host%{SECRET}@"
PROOF = f"?target_user=us&target_password={OURS}"


@pytest.mark.parametrize("algorithms", [("md5",), ("sha3-256", "sha256", "sha1", "md5")])
def test_right_secret(stage: Stage, algorithms: tuple[str, ...]) -> None:
    stage.target.access = access(*algorithms)
    answer = inquire(stage, RIGHT)
    assert answer.returncode == 0, answer.stderr
    assert "DIRECT_ACCESS" in answer.stdout


@pytest.mark.parametrize("who", ["", f"host%{SECRET}x@", f"other%{SECRET}@"])
def test_wrong_or_no_secret(stage: Stage, who: str) -> None:
    stage.target.access = access("md5")
    answer = inquire(stage, who)
    assert answer.returncode != 0
    assert stage.service.refusals == 1


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha3-256"])
def test_md5_where_it_is_not_allowed(stage: Stage, algorithm: str) -> None:
    stage.target.access = access(algorithm)
    assert inquire(stage, RIGHT).returncode != 0
    assert stage.service.refusals == 1


def test_mutual(stage: Stage) -> None:
    stage.target.access = access("md5", mutual=True)
    assert inquire(stage, RIGHT, PROOF).returncode == 0
    assert inquire(stage, RIGHT, PROOF + "x").returncode != 0
    assert inquire(stage, RIGHT).returncode == 0, "the initiator need not ask for our proof"


def test_proof_that_cannot_be_given(stage: Stage) -> None:
    stage.target.access = access("md5")
    assert inquire(stage, RIGHT, PROOF).returncode != 0


@pytest.mark.parametrize("query", ["", PROOF])
def test_discovery(stage: Stage, query: str) -> None:
    stage.service.discovery = access("md5", mutual=True)
    answer = discover(stage, RIGHT, query)
    assert answer.returncode == 0, answer.stderr
    assert NAME in answer.stdout
    assert NAME not in discover(stage).stdout
    assert NAME not in discover(stage, f"host%{SECRET}x@").stdout
