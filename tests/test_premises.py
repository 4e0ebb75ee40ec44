"""What must be there before the daemon can serve, and what is said when it is not."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.tree import Tree
from tgtd import premises
from tgtd.loop import Loop
from tgtd.premises import CannotStart, Claim, installation, layers, listen, raise_file_limit


def test_a_directory_is_made_and_held(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    claim = Claim(place, "--state")
    with pytest.raises(CannotStart, match=rf"another tgtd \(process {os.getpid()}\) uses .*--state"):
        Claim(place, "--state")
    claim.close()
    Claim(place, "--state").close()


def test_nobody_else_can_hold_the_lock_or_lead_it_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "lock").touch(0o666)
    Claim(tmp_path, "--run").close()
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
    (tmp_path / "lock").unlink()
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(CannotStart, match="--run"):
        Claim(tmp_path, "--run")
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from tgtd.premises import Claim; c = Claim(Path({str(tmp_path)!r}), '--run')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
    Claim(tmp_path, "--run").close()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="--run"):
        Claim(tmp_path / "file" / "x", "--run")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match=r"file: is not a directory; .* --state"):
        Claim(tmp_path / "file", "--state")


def test_a_full_disk_does_not_hinder_a_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    claim = Claim(tmp_path, "--run")
    with pytest.raises(CannotStart, match="another tgtd"):
        Claim(tmp_path, "--run")
    claim.close()


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, r"No space left on device; make room there"),
        (errno.EACCES, r"Permission denied; give it to the daemon's user \(chown\)"),
    ],
)
def test_an_installation_id_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    def refuse(state: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(state / "installation-id"))

    monkeypatch.setattr(premises, "installation_id", refuse)
    with pytest.raises(CannotStart, match=f"^{tmp_path}/installation-id: {told}"):
        installation(tmp_path)


def test_a_damaged_installation_id(tmp_path: Path) -> None:
    (tmp_path / "installation-id").write_text("nonsense")
    with pytest.raises(CannotStart, match="backup"):
        installation(tmp_path)


def test_the_layers(tmp_path: Path) -> None:
    assert layers(tmp_path).directories == (tmp_path,)
    assert Path("/etc/tgtd") in layers(None).directories
    with pytest.raises(CannotStart, match="--config"):
        layers(tmp_path / "missing")


def limited(monkeypatch: pytest.MonkeyPatch, hard: int) -> list[tuple[int, int]]:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda what: (10, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: set_to.append(limits))
    return set_to


def test_the_file_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    tree = Tree(tmp_path / "etc")
    head = '[[target]]\nname = "iqn.2026-11.com.example:a"\naccess.anyone = true\n'
    disk = (
        '[[target.lun]]\nnumber = {0}\nmedium = {{ type = "file", path = "/tmp/{0}", size = "1 MiB", direct = true }}\n'
    )
    tree.write(head + "".join(disk.format(n) for n in range(50)))
    config = tree.loader().load()
    assert limited(monkeypatch, 163) is not None
    with pytest.raises(CannotStart, match=r"100 media need 164 open files, and the limit is 163; .*LimitNOFILE="):
        raise_file_limit(config)
    set_to = limited(monkeypatch, 164)
    raise_file_limit(config)
    assert set_to == [(164, 164)]
    assert "limits.connections" in caplog.text
    caplog.clear()
    limited(monkeypatch, 1 << 20)
    raise_file_limit(config)
    limited(monkeypatch, resource.RLIM_INFINITY)
    raise_file_limit(config)
    assert caplog.text == ""


def test_the_control_socket(tmp_path: Path) -> None:
    loop = Loop()
    server = listen(loop, tmp_path, {})
    assert (tmp_path / premises.CONTROL_SOCKET).is_socket()
    server.close()
    with pytest.raises(CannotStart, match="control socket"):
        listen(loop, tmp_path / "missing", {})
    loop.close()
