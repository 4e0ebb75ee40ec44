from __future__ import annotations

from dataclasses import replace

from tgtd.hw.configfs.backstore import Backstore, described, group
from tgtd.hw.configfs.item import Folder, Value

INSTALLATION = bytes(range(16))
STORE = Backstore(INSTALLATION, "iqn.2026-11.com.example:a", 3, 1 << 20, 512, "S3", 30)


def test_installations_never_share_a_group_and_keep_off_the_numbers_of_other_programs() -> None:
    assert group(INSTALLATION) != group(b"\xff" * 16)
    number = int(group(INSTALLATION).removeprefix("core/user_"))
    assert 0x40000000 <= number < 0x80000000


def test_a_lun_has_a_folder_of_its_own() -> None:
    paths = {STORE.path, replace(STORE, lun=4).path, replace(STORE, target="iqn.2026-11.com.example:b").path}
    assert len(paths) == 3
    assert all(path.startswith(f"{STORE.group}/") for path in paths)


def test_what_the_kernel_is_told_fits_into_what_it_keeps() -> None:
    longest = replace(STORE, target="iqn.2026-11.com.example:" + "x" * 199)
    assert len(longest.configuration) < 256
    assert described(longest.configuration) == (INSTALLATION.hex(), "3", longest.target[:180])


def test_the_configuration_of_another_program_is_not_ours() -> None:
    assert described("file//srv/disk") is None
    assert described("tgtd/x") is None


def test_it_is_enabled_last_and_told_everything_before() -> None:
    items = list(STORE.items())
    assert items[0] == Folder(STORE.path)
    assert isinstance(items[-1], Value)
    assert items[-1].path.endswith("/enable")
    control = items[1]
    assert isinstance(control, Value)
    assert dict(option.split("=") for option in control.text.split(",")) == {
        "dev_size": "1048576",
        "hw_block_size": "512",
        "hw_max_sectors": "8192",
        "max_data_area_mb": "128",
        "nl_reply_supported": "-1",
        "dev_config": STORE.configuration,
    }
