from __future__ import annotations

from tgtd.hw.configfs.present import MARK, Present, described, mark

US, THEM = mark(b"u" * 16, "t"), mark(b"t" * 16, "t")
HOME = "core/user_9"
GROUP = "loopback/naa.5/tpgt_1"


def present(**links: str) -> Present:
    """LUNs of one port group: a store's letter each. a and b are ours, x another tgtd's, f of another program."""
    stores = {"a": f"{HOME}/a", "b": f"{HOME}/b", "x": "core/user_8/x", "f": "core/user_0/f", "i": "core/fileio_0/i"}
    folders = {HOME, "core/user_8", "core/user_0", f"{HOME}/a", f"{HOME}/b", "core/user_8/x", "core/user_0/f"}
    folders |= {"loopback", "loopback/naa.5", GROUP} | {f"{GROUP}/lun/{lun}" for lun in links}
    configurations = {
        stores["a"]: f"{US}0",
        stores["b"]: f"{US}1",
        stores["x"]: f"{THEM}0",
        stores["f"]: "file/f",
    }
    return Present(
        frozenset(folders), {f"{GROUP}/lun/{lun}/l": stores[to] for lun, to in links.items()}, {}, configurations
    )


def test_a_group_with_none_but_our_luns_is_ours() -> None:
    owned = present(lun_0="a", lun_1="b").owned(US, HOME)
    assert {GROUP, "loopback/naa.5", f"{GROUP}/lun/lun_0", HOME} <= owned.folders
    assert "loopback" not in owned.folders
    assert owned.links == {f"{GROUP}/lun/lun_0/l", f"{GROUP}/lun/lun_1/l"}
    assert not any("user_8" in path or "user_0" in path for path in owned.folders)


def test_of_a_group_with_luns_of_others_only_our_luns_are_ours() -> None:
    for stranger in "xfi":
        owned = present(lun_0="a", lun_1=stranger).owned(US, HOME)
        assert owned.links == {f"{GROUP}/lun/lun_0/l"}
        assert f"{GROUP}/lun/lun_0" in owned.folders
        assert not {GROUP, "loopback/naa.5", f"{GROUP}/lun/lun_1"} & owned.folders


def test_an_empty_group_is_nobodys() -> None:
    assert GROUP not in present().owned(US, HOME).folders


def test_a_port_with_another_group_stays() -> None:
    seen = present(lun_0="a")
    more = Present(seen.folders | {"loopback/naa.5/tpgt_2"}, seen.links, {}, seen.configurations)
    owned = more.owned(US, HOME)
    assert GROUP in owned.folders
    assert "loopback/naa.5" not in owned.folders


def test_a_store_in_our_own_group_without_configuration_is_ours() -> None:
    seen = Present(frozenset({HOME, f"{HOME}/half", "core/user_0", "core/user_0/half"}))
    assert seen.owned(US, HOME).folders == {HOME, f"{HOME}/half"}


def test_who_else_is_in_a_group() -> None:
    assert present(lun_0="a").stranger_at(GROUP, US) is None
    assert present(lun_0="a", lun_1="x").stranger_at(GROUP, US) == "core/user_8/x"
    assert present(lun_0="i").stranger_at(GROUP, US) == "core/fileio_0/i"
    assert present(lun_0="x").stranger_at("loopback/naa.6/tpgt_1", US) is None


def test_the_mark_is_one_of_all_marks() -> None:
    assert US.startswith(MARK)
    assert US != THEM
    assert not mark(b"u" * 16, "tt").startswith(US)


def test_who_made_a_backstore() -> None:
    assert described(f"{US}7") == (b"u".hex() * 16, "t", "7")
    assert described("file//srv/disk") is None
    assert described("tgtd/x") is None
