"""What stands in the way of a regular file is told with what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tgtd.media.problem import MediumError
from tgtd.media.regular import explain, explain_creation, lock


@pytest.mark.parametrize(
    ("number", "writable", "text"),
    [
        (errno.ENOENT, True, "/x/y does not exist; create it, or set create = true and a size"),
        (errno.ENOENT, False, "for a read-only LUN none is made"),
        (errno.EACCES, True, "may not read and write /x/y; give its user"),
        (errno.EACCES, False, "may not read /x/y"),
        (errno.EROFS, True, "ReadWritePaths="),
        (errno.EISDIR, True, "is a directory; name a file in it"),
        (errno.ENOSPC, True, "choose a smaller size"),
        (errno.EIO, True, "check the path and the file system it is on"),
    ],
)
def test_opening(number: int, writable: bool, text: str) -> None:
    assert text in str(explain(OSError(number, os.strerror(number)), "/x/y", writable))


def test_making() -> None:
    assert "the directory /x does not exist" in str(explain_creation(OSError(errno.ENOENT, ""), "/x/y"))
    assert "may not create files in /x" in str(explain_creation(OSError(errno.EACCES, ""), "/x/y"))


def test_one_writer_or_many_readers(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    one, two = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    try:
        lock(one, str(path), writable=False)
        lock(two, str(path), writable=False)
        with pytest.raises(MediumError, match="in use by another LUN or program"):
            lock(one, str(path), writable=True)
        os.close(two)
        lock(one, str(path), writable=True)
    finally:
        os.close(one)
