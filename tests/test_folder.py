"""Small files that are replaced as a whole. What a crash at any step leaves is tested with the ledger."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tgtd import folder as module
from tgtd.folder import StateFolder, sealed, unsealed, why


def test_read_and_replace(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "x")
    file = folder.path / "a.json"
    assert folder.read(file) is None
    assert not folder.path.exists(), "looking leaves no traces"
    folder.replace(file, b"one")
    folder.replace(file, b"two")
    assert folder.read(file) == b"two"
    assert [path.name for path in folder.path.iterdir()] == ["a.json"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


@pytest.mark.parametrize("before", [None, b"before"])
def test_an_error_at_the_end_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    folder = StateFolder(tmp_path / "x")
    file = folder.path / "a.json"
    folder.replace(folder.path / "other.json", b"")
    if before is not None:
        folder.replace(file, before)

    def fail(path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module, "_sync", fail)
    with pytest.raises(OSError, match="Input/output"):
        folder.replace(file, b"after")
    assert folder.read(file) == before
    assert not file.with_suffix(".draft").exists()


def test_without_its_parent_nothing_is_written(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "gone" / "x")
    with pytest.raises(FileNotFoundError):
        folder.replace(folder.path / "a.json", b"")


def test_a_seal_holds_what_it_was_put_on() -> None:
    body = {"version": 3, "wwid": "0102", "values": ["a"]}
    text = sealed(body)
    assert unsealed(text, 3, b"\1\2") == body
    for wrong, version, wwid, reason in (
        (text.replace(b'"a"', b'"b"'), 3, b"\1\2", "checksum"),
        (text, 4, b"\1\2", "version 3"),
        (text, 3, b"\1\3", "about the unit 0102"),
    ):
        with pytest.raises(ValueError, match=reason):
            unsealed(wrong, version, wwid)
    assert (why(ValueError("x")), why(KeyError("x"))) == ("x", "KeyError: 'x'")
