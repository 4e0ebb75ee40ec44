"""tgtctl medium's verbs for cartridges: what is made, told, filled and written out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tgtd.cli import main
from tgtd.media.cartridge.cartridge import Cartridge


def create(path: Path, *more: str) -> int:
    return main(["medium", "create", "tape", str(path), *more])


def test_what_the_barcode_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(tmp_path / "A00001L6.tape") == 0
    assert "data cartridge A00001L6, LTO-6, 2.274 TiB" in capsys.readouterr().out
    assert create(tmp_path / "x", "--barcode", "A00002LW") == 0
    assert "worm cartridge A00002LW, LTO-6" in capsys.readouterr().out
    assert create(tmp_path / "y", "--density", "0x51", "--size", "300 GB") == 0
    assert "data cartridge y, density 51h" in capsys.readouterr().out
    assert create(tmp_path / "CLN001L8.tape", "--size", "100 MB", "--generation", "9") == 0
    assert "clean cartridge CLN001L8, LTO-9, 95.37 MiB" in capsys.readouterr().out
    assert main(["medium", "show", str(tmp_path / "CLN001L8.tape")]) == 0
    assert "LTO-9, 95.37 MiB, used 0 of 50 times" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--density", "0x51"], "--density is a code"),
        (["--density", "0x51", "--size", "1 GB", "--generation", "8"], "--density is a code"),
        (["--density", "255", "--size", "1 GB"], "--density is a code"),
        (["--barcode", "x" * 33], "a barcode has 1 to 32 printable"),
        (["--size", "many"], "--size: "),
        (["--size", "5 B"], "1 MiB or more"),
    ],
)
def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    assert create(tmp_path / "tape", *options) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "tape").exists()


def test_a_name_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tape").write_text("precious")
    assert create(tmp_path / "tape") == 1
    assert "exists; choose another name" in capsys.readouterr().err
    assert (tmp_path / "tape").read_text() == "precious"


def test_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There and back again, byte for byte."""
    image = b"".join((b"\5\0\0\0hello\0\5\0\0\0", bytes(8), b"\2\0\0\0ab\2\0\0\0", bytes(4), b"\xff\xff\xff\xff"))
    (tmp_path / "in.tap").write_bytes(image)
    create(tmp_path / "tape", "--size", "8 MiB")
    assert main(["medium", "import", str(tmp_path / "tape"), str(tmp_path / "in.tap")]) == 0
    assert main(["medium", "export", str(tmp_path / "tape"), str(tmp_path / "out.tap")]) == 0
    assert (tmp_path / "out.tap").read_bytes() == image
    capsys.readouterr()
    assert main(["medium", "show", "--json", str(tmp_path / "tape"), str(tmp_path / "in.tap")]) == 1
    told = json.loads(capsys.readouterr().out)["cartridges"]
    assert told[0]["partitions"][0] | {"used": 0} == {
        "capacity": 8 << 20,
        "used": 0,
        "blocks": 2,
        "filemarks": 3,
        "lost": 0,
    }
    assert "is no cartridge" in told[1]["error"]
    main(["medium", "show", str(tmp_path / "tape")])
    assert "2       3" in capsys.readouterr().out
    assert main(["medium", "export", str(tmp_path / "tape"), str(tmp_path / "x"), "--partition", "1"]) == 1


def test_encrypted_blocks_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create(tmp_path / "tape", "--size", "8 MiB")
    for form, words in ((0, False), (0x80, True)):
        cartridge = Cartridge.open(str(tmp_path / "tape"))
        cartridge.partitions[0].append_block(b"block", 5, form)
        cartridge.close()
        capsys.readouterr()
        assert main(["medium", "show", str(tmp_path / "tape")]) == 0
        assert ("with encrypted blocks" in capsys.readouterr().out) == words


@pytest.mark.parametrize(
    "image", [b"\5\0\0\0hel", b"\5\0\0\0hello\0\6\0\0\0", b"\5\0", b"\5\0\0\x80hello\0\5\0\0\x80", b"\0\0\0\2"]
)
def test_no_images(tmp_path: Path, capsys: pytest.CaptureFixture[str], image: bytes) -> None:
    (tmp_path / "in.tap").write_bytes(image)
    create(tmp_path / "tape", "--size", "8 MiB")
    assert main(["medium", "import", str(tmp_path / "tape"), str(tmp_path / "in.tap")]) == 1
    assert "at byte 0" in capsys.readouterr().err


def test_nothing_is_imported_where_it_could_destroy_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = 400_000
    (tmp_path / "in.tap").write_bytes((block.to_bytes(4, "little") + bytes(block) + block.to_bytes(4, "little")) * 4)
    tape, clean = tmp_path / "tape", tmp_path / "CLN001L8"
    create(tape, "--size", "8 MiB")
    assert main(["medium", "import", str(tape), str(tmp_path / "in.tap")]) == 0
    whole = tape.read_bytes()
    tape.write_bytes(whole[:1_500_000])
    cut = tape.read_bytes()
    assert main(["medium", "import", str(tape), str(tmp_path / "in.tap")]) == 1
    assert "are lost (1), and might be overwritten" in capsys.readouterr().err
    assert tape.read_bytes() == cut
    create(clean, "--size", "8 MiB")
    assert main(["medium", "import", str(clean), str(tmp_path / "in.tap")]) == 1
    assert "cleaning cartridge" in capsys.readouterr().err
    protected = Cartridge.open(str(tape))
    protected.label.protected = True
    protected.write_label()
    protected.close()
    assert main(["medium", "import", str(tape), str(tmp_path / "in.tap")]) == 1
    assert "write-protected" in capsys.readouterr().err
