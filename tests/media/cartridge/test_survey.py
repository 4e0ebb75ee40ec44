"""Files that are no cartridges, or not whole."""

from __future__ import annotations

from pathlib import Path

from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.media.cartridge.survey import readable, trouble


def test_what_a_label_shows(tmp_path: Path) -> None:
    path = tmp_path / "A.tape"
    cartridge = Cartridge.create(str(path), Making("A", 8 << 20))
    assert trouble(str(path), "A") is None
    for _ in range(3):
        cartridge.partitions[0].append_block(b"x" * (1 << 20), 1 << 20, 0)
    cartridge.close()
    assert trouble(str(path), "A") is None
    assert trouble(str(path), "B") == "its label says that it is A"
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert trouble(str(path), "A") == "the last 7 bytes of its data are missing"
    path.write_bytes(whole[:1000])
    assert trouble(str(path), "A") == "it is no cartridge: it is too short"
    path.write_bytes(bytes(len(whole)))
    assert trouble(str(path), "A") == "it is no cartridge: it has no label"


def test_no_files(tmp_path: Path) -> None:
    assert trouble(str(tmp_path), "A") == "it is no regular file"
    assert trouble(str(tmp_path / "A.tape"), "A") == "it cannot be read: No such file or directory"
    assert trouble(str(tmp_path / "A.tape"), None, made=True) is None


def test_what_a_drive_reads(tmp_path: Path) -> None:
    path = str(tmp_path / "A")
    Cartridge.create(path, Making("A", 8 << 20, density=0x58)).close()
    assert trouble(path, None, readable("lto-7")) is None
    assert trouble(path, None, readable("lto-8")) == "its density (58h) is none that the drive reads"
    Cartridge.create(path + "0", Making("A", 8 << 20)).close()
    assert trouble(path + "0", None, {0x5E}) is None
