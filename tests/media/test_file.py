"""tgtd.media.file: opening, locks, holes, and errors that say what to do."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tgtd.media import file
from tgtd.media.descriptor import KEEP_SIZE, PUNCH_HOLE, fallocate
from tgtd.media.file import FileMedium
from tgtd.media.options import OpenOptions
from tgtd.media.problem import MediumError

SIZE = 1 << 20


def make(path: Path, **more: Any) -> FileMedium:
    return FileMedium.open(str(path), OpenOptions(size=SIZE, create=True, **more))


def test_created_sparse_private_and_locked(tmp_path: Path) -> None:
    medium = make(tmp_path / "disk")
    status = (tmp_path / "disk").stat()
    assert (status.st_size, status.st_blocks) == (SIZE, 0)
    assert status.st_mode & 0o777 == 0o600
    assert medium.size == SIZE
    assert medium.volatile
    with pytest.raises(MediumError, match=r"in use by another LUN or program; .*lslocks"):
        make(tmp_path / "disk")
    medium.close()
    make(tmp_path / "disk").close()


def test_a_new_file_that_another_took_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two daemons begin at once: the one that comes second to the lock must not remove the other's disk."""
    real = file._open
    first: list[FileMedium] = []

    def opened(path: str, size: int | None, create: bool, writable: bool, more: int) -> tuple[int, bool]:
        found = real(path, size, create, writable, more)
        monkeypatch.setattr(file, "_open", real)
        first.append(FileMedium.open(path, OpenOptions(size=SIZE)))
        return found

    monkeypatch.setattr(file, "_open", opened)
    with pytest.raises(MediumError, match="in use"):
        make(tmp_path / "disk")
    assert (tmp_path / "disk").stat().st_ino == os.fstat(first[0]._fd).st_ino
    first[0].close()


def test_direct_io_is_on_the_file_that_was_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its path leads to by then."""
    real = file._measure

    def measured(fd: int, path: str, size: int | None, writable: bool) -> int:
        os.rename(path, tmp_path / "moved")
        (tmp_path / "disk").write_bytes(bytes(SIZE))
        return real(fd, path, size, writable)

    monkeypatch.setattr(file, "_measure", measured)
    medium = make(tmp_path / "disk", direct=True)
    assert medium._direct is not None
    assert os.path.sameopenfile(medium._fd, medium._direct)
    medium.close()


def test_the_lock_holds_against_another_process(tmp_path: Path) -> None:
    medium = make(tmp_path / "disk")
    script = f"from tgtd.media.file import FileMedium; FileMedium.open({str(tmp_path / 'disk')!r})"
    run = [sys.executable, "-c", script]
    other = subprocess.run(run, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert "in use by another LUN or program" in other.stderr
    medium.close()
    subprocess.run(run, check=True, cwd=Path(__file__).parents[2])


def test_readers_share(tmp_path: Path) -> None:
    make(tmp_path / "disk").close()
    one = FileMedium.open(str(tmp_path / "disk"), OpenOptions(writable=False))
    two = FileMedium.open(str(tmp_path / "disk"), OpenOptions(writable=False))
    assert not one.writable
    assert not one.can_discard
    with pytest.raises(MediumError, match="in use"):
        FileMedium.open(str(tmp_path / "disk"))
    one.close()
    two.close()


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.fcntl", refuse)
    with pytest.raises(MediumError, match="cannot be locked: No locks"):
        make(tmp_path / "disk")
    assert not (tmp_path / "disk").exists(), "what was made for nothing is taken away"


def test_what_is_there_is_served_as_large_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(5000))
    medium = FileMedium.open(str(tmp_path / "disk"))
    assert medium.size == 5000
    medium.close()


def test_a_shorter_file_is_extended_and_a_longer_one_is_left_alone(tmp_path: Path) -> None:
    for there, after in ((100, SIZE), (2 * SIZE, 2 * SIZE)):
        (tmp_path / "disk").write_bytes(b"x" * there)
        medium = FileMedium.open(str(tmp_path / "disk"), OpenOptions(size=SIZE))
        assert medium.size == SIZE
        assert (tmp_path / "disk").stat().st_size == after
        medium.close()


@pytest.mark.parametrize(
    ("prepare", "options", "message"),
    [
        (None, {}, r"does not exist; create it, or set create = true"),
        (None, {"create": True}, r"no size is given; give the medium a size"),
        (None, {"create": True, "size": SIZE, "writable": False}, r"does not exist; create it: for a read-only LUN"),
        ("directory", {}, r"is a directory; name a file in it"),
        ("fifo", {"writable": False}, r"is not a regular file; name a regular file"),
        ("empty", {}, r"is empty and no size is given"),
        ("short", {"size": SIZE, "writable": False}, r"has 5 bytes, 1048576 are declared, and it is read-only"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, prepare: str | None, options: dict[str, Any], message: str) -> None:
    path = tmp_path / "disk"
    if prepare == "directory":
        path.mkdir()
    elif prepare == "fifo":
        os.mkfifo(path)
    elif prepare is not None:
        path.write_bytes(b"" if prepare == "empty" else b"short")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(MediumError, match=message):
        FileMedium.open(str(path), OpenOptions(**options))
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor leaked"


def test_a_device_is_pointed_at_the_other_type() -> None:
    with pytest.raises(MediumError, match="is not a regular file"):
        FileMedium.open("/dev/zero", OpenOptions(writable=False))


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "may not read and write"),
        (errno.EROFS, "read-only for the daemon; name its directory in ReadWritePaths= .*read_only = true"),
        (errno.ENOSPC, "choose a smaller size"),
        (errno.ELOOP, "check the path"),
    ],
)
def test_errors_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(MediumError, match=message):
        FileMedium.open(str(tmp_path / "disk"), OpenOptions(size=SIZE))


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOENT, "the directory {} does not exist; make it, or mount"),
        (errno.EACCES, "may not create files in {}; let its user, .* write there, or make {}/disk for it"),
        (errno.EROFS, "the file system of {}/disk is read-only"),
    ],
)
def test_files_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    def refuse(path: str, flags: int, *_: object) -> int:
        number_now = number if flags & os.O_CREAT else errno.ENOENT
        raise OSError(number_now, os.strerror(number_now)) if number_now != errno.ENOENT else FileNotFoundError(2, path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(MediumError, match=message.replace("{}", str(tmp_path))):
        FileMedium.open(str(tmp_path / "disk"), OpenOptions(size=SIZE, create=True))


def test_no_room_to_extend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(MediumError, match="choose a smaller size"):
        make(tmp_path / "disk")
    assert not (tmp_path / "disk").exists()


def test_direct_where_the_file_system_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def without(path: Any, flags: int, *rest: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", without)
    with pytest.raises(MediumError, match="set direct = false"):
        make(tmp_path / "disk", direct=True)


def test_holes_are_told(tmp_path: Path) -> None:
    medium = make(tmp_path / "disk")
    medium.write(65536, b"x" * 65536, True)
    assert list(medium.extents(0, SIZE)) == [
        (0, 65536, False),
        (65536, 65536, True),
        (131072, SIZE - 131072, False),
    ]
    assert list(medium.extents(70000, 1000)) == [(70000, 1000, True)]
    medium.discard(65536, 65536)
    assert list(medium.extents(0, SIZE)) == [(0, SIZE, False)]
    medium.close()


def test_space_is_kept_without_data(tmp_path: Path) -> None:
    medium = make(tmp_path / "disk")
    if not medium.can_anchor:
        pytest.skip(f"the file system of {tmp_path} does not tell")
    assert (tmp_path / "disk").stat().st_blocks == 0, "finding out leaves nothing behind"
    medium.write(65536, b"x" * 65536, True)
    medium.anchor(0, 131072)
    assert list(medium.extents(0, SIZE)) == [(0, SIZE, False)]
    assert [sum(part) for part in medium.anchored(0, SIZE)][-1] == 131072
    assert sum(length for _, length in medium.anchored(0, SIZE)) == 131072
    assert (tmp_path / "disk").stat().st_blocks * 512 >= 131072
    medium.discard(0, 65536)
    assert sum(length for _, length in medium.anchored(0, SIZE)) == 65536
    into = memoryview(bytearray(131072))
    medium.read(0, into)
    assert not any(into)
    medium.close()


def test_the_page_cache_and_what_was_not_written(tmp_path: Path) -> None:
    """Data that is only there so far is data; zeros that were read are not."""
    medium = make(tmp_path / "disk")
    if not medium.can_anchor:
        pytest.skip(f"the file system of {tmp_path} does not tell")
    medium.anchor(0, SIZE)
    medium.write(262144, b"x" * 65536, False)
    medium.read(524288, memoryview(bytearray(65536)))
    found = list(medium.anchored(0, SIZE))
    assert sum(length for _, length in found) == SIZE - 65536
    assert not any(offset < 327680 and offset + length > 262144 for offset, length in found)
    medium.close()


XFS, EXT, TMPFS = 0x58465342, 0xEF53, 0x01021994
EXTENTS = 0x80000


@pytest.mark.parametrize(
    ("kind", "flags", "tells", "keeps"),
    [
        (XFS, 0, True, True),
        (XFS, 0, False, False),
        (EXT, EXTENTS, True, True),
        (EXT, EXTENTS, False, False),
        (EXT, ~EXTENTS, True, False),
        (EXT, None, True, False),
        (TMPFS, EXTENTS, True, False),
    ],
)
def test_who_keeps_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int, flags: int | None, tells: bool, keeps: bool
) -> None:
    """Of ext4, files that were made by ext3 do not."""

    def ioctl(fd: int, request: int, value: bytes) -> bytes:
        if flags is None:
            raise OSError(errno.ENOTTY, "no")
        return struct.pack("l", flags)

    monkeypatch.setattr(file, "_file_system", lambda fd: kind)
    monkeypatch.setattr(file, "can_tell", lambda fd: tells)
    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    medium = make(tmp_path / "disk")
    assert medium.can_anchor is (keeps and medium.can_discard)
    medium.close()


def test_a_file_system_that_knows_no_holes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    medium = make(tmp_path / "disk")

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(os, "lseek", refuse)
    assert list(medium.extents(0, SIZE)) == [(0, SIZE, True)]
    medium.close()


def test_a_file_system_that_cannot_punch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is discarded, and zeros are written."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no")

    monkeypatch.setattr(file, "fallocate", refuse)
    medium = make(tmp_path / "disk")
    assert (medium.can_discard, medium.zero_after_discard, medium.discard_granularity) == (False, False, 0)
    medium.write(0, b"x" * 4096, False)
    medium.zero(512, 1024, True)
    into = memoryview(bytearray(4096))
    medium.read(0, into)
    assert into == b"x" * 512 + bytes(1024) + b"x" * 2560
    medium.close()


def test_errors_of_punching_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    medium = make(tmp_path / "disk")

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(file, "fallocate", refuse)
    with pytest.raises(OSError, match="broken"):
        medium.zero(0, 4096, False)
    medium.close()


def test_cached_data_is_there_now(tmp_path: Path) -> None:
    medium = make(tmp_path / "disk")
    medium.write(0, b"x" * 4096, False)
    into = memoryview(bytearray(4096))
    if medium.can_tell:
        assert medium.read_now(0, into)
        assert into == b"x" * 4096
    medium.close()


def test_memory_file_systems_read_at_once() -> None:
    path = Path("/dev/shm") / f"tgtd-test-{os.getpid()}"
    medium = make(path)
    try:
        into = memoryview(bytearray(512))
        medium.write(0, b"y" * 512, True)
        assert medium.read_now(0, into)
        assert into == b"y" * 512
    finally:
        medium.close()
        path.unlink()


def test_a_file_that_shrinks_behind_our_back_is_an_error(tmp_path: Path) -> None:
    medium = make(tmp_path / "disk")
    os.truncate(tmp_path / "disk", 1000)
    into = memoryview(bytearray(4096))
    assert not medium.read_now(0, into)
    with pytest.raises(OSError, match="ends at byte 1000"):
        medium.read(0, into)
    medium.close()


def test_growing_extends_the_file(tmp_path: Path) -> None:
    medium = make(tmp_path / "disk")
    assert medium.resize_probe() == SIZE
    medium.grow(2 * SIZE)
    assert (tmp_path / "disk").stat().st_size == medium.size == 2 * SIZE
    os.truncate(tmp_path / "disk", 3 * SIZE)
    assert medium.resize_probe() == 3 * SIZE
    medium.grow(3 * SIZE)
    medium.close()


def test_punching_past_the_end_leaves_the_size_alone(tmp_path: Path) -> None:
    """What `can_discard` is found out by."""
    (tmp_path / "disk").write_bytes(b"x" * 100)
    fd = os.open(tmp_path / "disk", os.O_RDWR)
    fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 1 << 20, 4096)
    assert os.fstat(fd).st_size == 100
    os.close(fd)


def test_whole_pages_are_written_at_once(tmp_path: Path) -> None:
    medium = FileMedium.open(str(tmp_path / "disk"), OpenOptions(size=1 << 20, create=True))
    try:
        if medium.write_now.__name__ == "never_now":
            pytest.fail("the temporary directory's file system is none that tests should be run on")
        assert medium.write_now(4096, b"x" * 8192)
        assert not medium.write_now(512, b"y" * 4096), "half a page may have to be read first"
        assert not medium.write_now(4096, b"y" * 512)
        into = memoryview(bytearray(16384))
        medium.read(0, into)
        assert bytes(into) == bytes(4096) + b"x" * 8192 + bytes(4096)
    finally:
        medium.close()


@pytest.mark.parametrize("how", [{"direct": True}, {"writable": False}])
def test_what_is_never_written_at_once(tmp_path: Path, how: dict[str, bool]) -> None:
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    medium = FileMedium.open(str(tmp_path / "disk"), OpenOptions(**how))
    assert not medium.write_now(0, bytes(4096))
    medium.close()


def test_sync(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    medium = FileMedium.open(str(path), OpenOptions(size=1 << 20, create=True, sync=True))
    try:
        assert not medium.volatile
        assert not medium.write_now(0, bytes(4096)), "a write that must be durable is for a worker"
        fds = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
        (ours,) = [fd for fd in fds if os.readlink(f"/proc/self/fd/{fd}") == str(path)]
        assert fcntl.fcntl(int(ours), fcntl.F_GETFL) & os.O_DSYNC
        medium.write(0, b"x" * 4096, False)
        flushed: list[None] = []
        medium.flush = lambda: flushed.append(None)  # type: ignore[method-assign]
        medium.zero(0, 4096, False)
        medium.discard(4096, 4096)
        assert len(flushed) == 2, "O_DSYNC concerns writes only"
    finally:
        medium.close()


def test_preallocate(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    medium = FileMedium.open(str(path), OpenOptions(size=1 << 20, create=True, preallocate=True))
    assert path.stat().st_blocks * 512 >= 1 << 20
    medium.write(0, b"x" * 4096, True)
    medium.grow(2 << 20)
    assert path.stat().st_blocks * 512 >= 2 << 20
    medium.close()
    again = FileMedium.open(str(path), OpenOptions(preallocate=True))
    into = memoryview(bytearray(4096))
    again.read(0, into)
    assert into == b"x" * 4096
    again.close()


@pytest.mark.parametrize(
    ("number", "word"), [(errno.ENOSPC, "there is no room"), (errno.EOPNOTSUPP, "cannot take space in advance")]
)
def test_preallocate_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, word: str) -> None:
    def fail(fd: int, mode: int, offset: int, length: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tgtd.media.file.fallocate", fail)
    path = tmp_path / "disk"
    with pytest.raises(MediumError, match=word):
        FileMedium.open(str(path), OpenOptions(size=1 << 20, create=True, preallocate=True))
    assert not path.exists(), "what was made just now goes again"


def test_ranges_of_more_than_4_gib(tmp_path: Path) -> None:
    """Sparse: nothing of it is ever allocated but two pages."""
    gib = 1 << 30
    medium = FileMedium.open(str(tmp_path / "disk"), OpenOptions(size=20 * gib, create=True))
    try:
        if not medium.can_discard:
            pytest.skip("the file system makes no holes")
        for at in (0, 9 * gib):
            medium.write(at, b"x" * 4096, True)
        assert [part for part in medium.extents(0, 20 * gib) if part[2]] == [(0, 4096, True), (9 * gib, 4096, True)]
        assert sum(length for _, length, _ in medium.extents(0, 20 * gib)) == 20 * gib
        medium.discard(4096, 19 * gib)
        assert list(medium.extents(4096, 19 * gib)) == [(4096, 19 * gib, False)]
        medium.write(9 * gib, b"x" * 4096, True)
        medium.zero(4096, 19 * gib, True)
        into = memoryview(bytearray(4096))
        medium.read(9 * gib, into)
        assert into == bytes(4096)
        medium.read(0, into)
        assert into == b"x" * 4096
    finally:
        medium.close()
