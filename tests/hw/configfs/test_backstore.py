from __future__ import annotations

from dataclasses import replace

from tgtd.hw.configfs.backstore import Backstore, home
from tgtd.hw.configfs.item import Folder, Value
from tgtd.hw.configfs.present import described

INSTALLATION = bytes(range(16))
STORE = Backstore(INSTALLATION, "iqn.2026-11.com.example:a", 3, 1 << 20, 512, "S3", 30)


def test_targets_and_installations_never_share_a_folder_and_keep_off_the_numbers_of_other_programs() -> None:
    homes = {home(INSTALLATION, "a"), home(INSTALLATION, "b"), home(b"\xff" * 16, "a")}
    assert len(homes) == 3
    for one in homes:
        assert 0x40000000 <= int(one.removeprefix("core/user_")) < 0x80000000


def test_a_lun_has_a_folder_of_its_own() -> None:
    assert STORE.path == f"{home(INSTALLATION, STORE.target)}/lun_3"
    assert replace(STORE, lun=4).path != STORE.path


def test_what_the_kernel_is_told_fits_into_what_it_keeps() -> None:
    longest = replace(STORE, target="iqn.2026-11.com.example:" + "x" * 199, lun=16383)
    assert len(longest.configuration) < 256
    assert described(longest.configuration) == (INSTALLATION.hex(), longest.target[:180], "16383")


def test_it_is_enabled_last_and_told_everything_before() -> None:
    items = list(STORE.items())
    assert items[:2] == [Folder(home(INSTALLATION, STORE.target)), Folder(STORE.path)]
    assert isinstance(items[-1], Value)
    assert items[-1].path.endswith("/enable")
    control = items[2]
    assert isinstance(control, Value)
    assert dict(option.split("=") for option in control.text.split(",")) == {
        "dev_size": "1048576",
        "hw_block_size": "512",
        "hw_max_sectors": "8192",
        "max_data_area_mb": "128",
        "nl_reply_supported": "-1",
        "dev_config": STORE.configuration,
    }
