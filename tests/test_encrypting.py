"""tgtd.encrypting: headers that are made once, keys that fit or do not, and data that no edit loses."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.inside import Inside, inside
from tests.test_protecting import SAME, command, disk, write
from tgtd import encrypting
from tgtd.media import cipher
from tgtd.scsi.keyed import keyed
from tgtd.scsi.sbc.disk import Disk

READ = bytes.fromhex("28000000000000000100")
ERASE = bytes.fromhex("48030000000000000000")


def secret(it: Inside, name: str, text: str) -> str:
    file = it.place / name
    file.touch(mode=0o600)
    file.write_text(text + "\n")
    return f'{{ file = "{file}" }}'


def lun(it: Inside, key: str, more: str = "", size: str | None = "1 MiB", keys: str = SAME) -> str:
    return it.lun(1, size=size, medium=f", encryption = {{ key = {key}{more} }}", more=keys)


def opened(it: Inside) -> Disk:
    found = disk(it)
    assert keyed(found.medium) is not None
    return found


def pending(it: Inside, *luns: str) -> str:
    it.write(*luns)
    it.reload()
    it.turn_until(lambda: not it.unit(1).settling)
    assert it.unit(1).device.medium is None
    return it.unit(1).cause or ""


def first_block(it: Inside) -> bytes:
    return bytes(command(it, it.nexus(), READ).data_in or b"")


def test_elsewhere_with_the_same_key(tmp_path: Path) -> None:
    """The file and its header are all that it takes; the key is nowhere but where it was written."""
    with inside(tmp_path / "here") as it:
        it.write(lun(it, secret(it, "key", "passphrase of mine")))
        it.start()
        opened(it)
        write(it, it.nexus(), b"x")
        assert encrypting.status(it.unit(1).wish) == {
            "cipher": "aes-256-xts",
            "header": f"{it.media}/1.img.header",
            "key": f"file {it.place}/key",
        }
        here = it.media
    assert b"xxxxxxxx" not in (here / "1.img").read_bytes()
    assert (here / "1.img.header").stat().st_mode & 0o777 == 0o600
    assert b"passphrase" not in (here / "1.img.header").read_bytes()
    with inside(tmp_path / "there") as it:
        for name in ("1.img", "1.img.header"):
            shutil.copy(here / name, it.media / name)
        it.write(lun(it, secret(it, "key", "passphrase of mine")))
        it.start()
        opened(it)
        assert first_block(it) == b"x" * 512


def test_keys_that_do_not_fit_and_keys_that_change(tmp_path: Path) -> None:
    with inside(tmp_path) as it:
        old, new = secret(it, "old", "the first secret"), secret(it, "new", "the second secret")
        it.write(lun(it, old))
        it.start()
        opened(it)
        write(it, it.nexus(), b"x")
        below = (it.media / "1.img").read_bytes()
        assert f"the key in file {it.place}/new does not open {it.media}/1.img.header" in pending(it, lun(it, new))
        it.write(lun(it, new, f", old_key = {old}"))
        it.reload()
        opened(it)
        assert first_block(it) == b"x" * 512
        assert (it.media / "1.img").read_bytes() == below
        assert "does not open" in pending(it, lun(it, old))
        it.write(lun(it, new))
        it.reload()
        opened(it)
        assert first_block(it) == b"x" * 512


@pytest.mark.parametrize("apart", [False, True])
def test_not_opened_without(tmp_path: Path, apart: bool) -> None:
    """An edit that takes encryption out by mistake loses nothing: also where the header is in another place."""
    with inside(tmp_path) as it:
        key = secret(it, "key", "passphrase of mine")
        header = it.place / "elsewhere" if apart else it.media / "1.img.header"
        more = f', header = "{header}"' if apart else ""
        it.write(lun(it, key, more))
        it.start()
        opened(it)
        write(it, it.nexus(), b"x")
        it.turn_until(lambda: disk(it).memory.recall(encrypting.NAME) is not None)
        assert f"is encrypted ({header} is its header)" in pending(it, it.lun(1, more=SAME))
        it.write(lun(it, key, more))
        it.reload()
        opened(it)
        assert first_block(it) == b"x" * 512
        pending(it, it.lun(1, more=SAME))
        header.unlink()
        it.retry()
        it.turn_until(lambda: it.unit(1).device.medium is not None)
        assert keyed(it.unit(1).device.medium) is None
        it.turn_until(lambda: disk(it).memory.recall(encrypting.NAME) is None)


def test_data_are_not_taken_for_ciphertext(tmp_path: Path) -> None:
    """Neither those of a plain disk, nor those whose header is missing."""
    with inside(tmp_path) as it:
        key = secret(it, "key", "passphrase of mine")
        it.write(it.lun(1, more=SAME))
        it.start()
        disk(it)
        write(it, it.nexus(), b"x")
        assert "1.img holds data, and there is no header" in pending(it, lun(it, key))
        assert not (it.media / "1.img.header").exists()
        it.write(it.lun(1, more=SAME))
        it.reload()
        disk(it)
        assert first_block(it) == b"x" * 512


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a certificate of somebody's", "is no header of an encrypted disk: it has 27 bytes, not 8192"),
        (os.urandom(8192), "is no header of an encrypted disk, or damaged"),
    ],
)
def test_files_that_are_no_headers(tmp_path: Path, content: bytes, said: str) -> None:
    with inside(tmp_path) as it:
        (it.media / "1.img.header").write_bytes(content)
        it.write()
        it.start()
        assert said in pending(it, lun(it, secret(it, "key", "passphrase of mine")))
        assert (it.media / "1.img.header").read_bytes() == content


def test_an_empty_header_is_made_anew(tmp_path: Path) -> None:
    """As after a loss of power between making the file and writing it; unless there are data by now."""
    with inside(tmp_path) as it:
        (it.media / "1.img.header").write_bytes(bytes(8192))
        key = secret(it, "key", "passphrase of mine")
        (it.media / "1.img").write_bytes(bytes((1 << 20) - 1) + b"x")
        it.write()
        it.start()
        assert "holds data" in pending(it, lun(it, key))
        (it.media / "1.img").unlink()
        it.retry()
        it.turn_until(lambda: it.unit(1).device.medium is not None)
        opened(it)


def test_read_only(tmp_path: Path) -> None:
    with inside(tmp_path) as it:
        key = secret(it, "key", "passphrase of mine")
        it.write(lun(it, key))
        it.start()
        opened(it)
        write(it, it.nexus(), b"x")
        it.write(lun(it, key, size=None, keys=f"{SAME}read_only = true\n"))
        it.reload()
        opened(it)
        assert first_block(it) == b"x" * 512
        assert command(it, it.nexus(), ERASE).status == 2


def test_erased_by_forgetting(tmp_path: Path) -> None:
    """The same ciphertext, and no key to read it: not even for who kept the administrator's key and has the files."""
    with inside(tmp_path) as it:
        key = secret(it, "key", "passphrase of mine")
        it.write(lun(it, key))
        it.start()
        opened(it)
        write(it, it.nexus(), b"x")
        header, below = (it.media / "1.img.header").read_bytes(), (it.media / "1.img").read_bytes()
        assert command(it, it.nexus(), ERASE).status == 0
        assert (it.media / "1.img").read_bytes() == below
        noise = first_block(it)
        assert b"xx" not in noise
        after = (it.media / "1.img.header").read_bytes()
        wrapped = header[56:128]
        assert header.count(wrapped) == 2
        assert after.count(wrapped) == 0
        write(it, it.nexus(), b"y")
        it.write(lun(it, key, f', header = "{it.media}/1.img.header", old_key = {key}'))
        it.reload()
        opened(it)
        assert first_block(it) == b"y" * 512


def test_in_memory_and_blocks_of_4096(tmp_path: Path) -> None:
    with inside(tmp_path) as it:
        key = secret(it, "key", "passphrase of mine")
        it.write(
            "[[target.lun]]\nnumber = 1\nblock_size = 4096\n"
            f'medium = {{ type = "ram", size = "1 MiB", encryption = {{ key = {key} }} }}\n'
        )
        it.start()
        opened(it)
        assert command(it, it.nexus(), bytes.fromhex("2A000000000000000100"), b"z" * 4096).status == 0
        assert first_block(it) == b"z" * 4096
        assert command(it, it.nexus(), ERASE).status == 0
        assert b"z" * 16 not in first_block(it)


def test_units_of_before_go_on_with_longer_blocks(tmp_path: Path) -> None:
    with inside(tmp_path) as it:
        key = secret(it, "key", "passphrase of mine")
        it.write(lun(it, key))
        it.start()
        opened(it)
        write(it, it.nexus(), b"x")
        it.write(lun(it, key, keys=f"{SAME}block_size = 4096\n"))
        it.reload()
        it.turn_until(lambda: it.unit(1).device.medium is not None)
        opened(it)
        assert first_block(it) == b"x" * 512 + bytes(3584)


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(tmp_path) as it:
        it.write()
        it.start()
        monkeypatch.setattr(cipher, "INSTALLED", False)
        assert "apt install python3-cryptography" in pending(it, lun(it, secret(it, "key", "passphrase of mine")))
        assert not (it.media / "1.img.header").exists()


def test_a_disk_that_grows(tmp_path: Path) -> None:
    with inside(tmp_path) as it:
        key = secret(it, "key", "passphrase of mine")
        it.write(lun(it, key))
        it.start()
        opened(it)
        write(it, it.nexus(), b"x")
        it.write(lun(it, key, size="4 MiB"))
        it.reload()
        it.turn_until(lambda: disk(it).blocks == 8192)
        assert first_block(it) == b"x" * 512
        assert command(it, it.nexus(), bytes.fromhex("28000000 1FFF 00000100")).data_in == bytes(512)
