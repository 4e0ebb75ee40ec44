from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.tree import HEAD, LUN, NAME, Tree
from tests.inside import inside
from tgtd.config.build import prune
from tgtd.config.complaint import Complaint
from tgtd.config.model import IdentityWish, Medium, Portal, PortGroup, Redirect
from tgtd.config.problem import ConfigErrors

NULL = 'medium = { type = "null", size = "1 MiB" }\n'


def test_defaults(tree: Tree) -> None:
    target = tree.target(HEAD + LUN)
    assert target.portals == (Portal("0.0.0.0", 3260), Portal("::", 3260))
    assert (target.alias, target.transport, target.redirect, target.views, target.online) == (
        "",
        "iscsi",
        None,
        (),
        True,
    )
    assert target.iscsi.header_digest == ("none", "crc32c")
    assert (target.iscsi.max_burst_length, target.iscsi.queue_depth) == (1 << 20, 128)
    lun = target.luns[1]
    assert lun.medium == Medium("null", None, 1 << 20, False, False)
    assert lun.identity == IdentityWish(None, None, None, None, None)
    assert (lun.write_cache, lun.block_size, lun.physical_block_size, lun.thin) == (True, 512, 4096, True)
    assert not (lun.read_only)
    assert not (lun.removable)
    assert not (lun.allow_shrink)
    assert (str(target.origin), str(lun.origin)) == tuple(f"{tree.root}/targets.d/a.toml:{n}:1" for n in (1, 5))


def test_everything_said(tree: Tree) -> None:
    lun = tree.lun(
        'medium = { type = "file", path = "/x", size = "1 GiB", create = true, direct = true }\nwrite_cache = false\n'
        "block_size = 4096\nphysical_block_size = 8192\nread_only = true\nremovable = true\nthin = "
        "false\nrotation_rate = 7200\n"
        'vendor = "ACME"\nproduct = "P"\nrevision = "2"\nserial = "S"\nwwid = "naa.6001405AABBCCDDEEFF0011223344556"\n'
        'online = false\nallow_shrink = true\nmanagement = ["https://storage.example/1"]\n'
    )
    assert lun.management == ("https://storage.example/1",)
    assert lun.medium == Medium("file", "/x", 1 << 30, True, True)
    assert lun.identity == IdentityWish("ACME", "P", "2", "S", bytes.fromhex("6001405aabbccddeeff0011223344556"))
    assert (lun.block_size, lun.physical_block_size, lun.rotation_rate) == (4096, 8192, 7200)
    assert (lun.write_cache, lun.thin, lun.online) == (False, False, False)
    assert (lun.read_only, lun.removable, lun.allow_shrink) == (True, True, True)


def test_origins_where_lines_mislead(tree: Tree) -> None:
    target = tree.target(
        HEAD + LUN + 'serial = "x"\nproduct = """\n[[target.lun]]"""\n[[target.lun]]\nnumber = 2\n' + NULL
    )
    assert [lun.origin.line for lun in target.luns.values()] == [5, 11]


def test_luns_in_an_array(tree: Tree) -> None:
    text = HEAD.replace(
        "[target.access]", 'lun = [{ number = 3, medium = { type = "null", size = 512 } }]\n[target.access]'
    )
    target = tree.target(text)
    assert (target.luns[3].origin.line, target.luns[3].origin.column) == (3, 8)


def test_redirect(tree: Tree) -> None:
    text = HEAD.replace("[target.access]", 'redirect = { address = "10.0.0.2" }\n[target.access]')
    assert tree.target(text).redirect == Redirect("10.0.0.2:3260", False)


def test_maps(tree: Tree) -> None:
    text = HEAD + LUN + LUN.replace("number = 1", "number = 7")
    target = tree.target(text + '[[target.map]]\ninitiators = ["iqn.a"]\nluns = [1, { lun = 7, as = 0 }]\n')
    (view,) = target.views
    assert (view.initiators, view.luns) == (("iqn.a",), {1: 1, 0: 7})


@pytest.mark.parametrize(
    ("luns", "told"),
    [
        ("[2]", '18:9: target "{}": map[0].luns[0]: this target has no lun 2; name one that it has (1, 7)'),
        (
            "[1, { lun = 7, as = 1 }]",
            '18:12: target "{}": map[0].luns[1]: two luns are to be seen as 1; give one of them another number: as = N',
        ),
        ("[{ lun = 7 }]", '18:9: target "{}": map[0].luns[0].as: is missing; add as = 0'),
    ],
)
def test_maps_that_do_not_fit(tree: Tree, luns: str, told: str) -> None:
    text = f"{HEAD}{LUN}\n\n{LUN}\n\n[[target.map]]\ninitiators = ['iqn.a']\nluns = {luns}\n"
    text = text.replace("number = 1", "number = 7", 1)
    lines = tree.complaints(text)
    assert [line.partition(":")[2] for line in lines] == [told.format(NAME).replace("18:", f"{text.count(chr(10))}:")]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            'medium = { type = "null", size = 1000 }\n',
            "a.toml:7:34: {}medium.size: 1000 is not a multiple of block_size, 512; write 512 or 1024",
        ),
        (
            'medium = { type = "null", size = 512 }\nblock_size = 4096\n',
            "a.toml:7:34: {}medium.size: 512 is not a multiple of block_size, 4096; write 4096",
        ),
        (
            NULL + "block_size = 4096\nphysical_block_size = 512\n",
            "a.toml:9:23: {}physical_block_size: 512 is less than block_size, 4096; write 4096 or more",
        ),
        (
            'medium = { type = "null", size = "9 EiB" }\n',
            ('a.toml:7:34: {}medium.size: "9 EiB" is too large; write 512 bytes or more, and less than 8 EiB'),
        ),
        (
            'medium = { type = "null", size = "0.3 kB" }\n',
            'a.toml:7:34: {}medium.size: "0.3 kB" is less than 512 bytes; write 512 bytes or more, and less than 8 EiB',
        ),
    ],
)
def test_values_that_do_not_fit_each_other(tree: Tree, keys: str, told: str) -> None:
    assert tree.complaints(f"{HEAD}[[target.lun]]\nnumber = 1\n{keys}") == [told.format(f'target "{NAME}" lun 1: ')]


def test_burst_lengths(tree: Tree) -> None:
    assert tree.complaints(HEAD + '[target.iscsi]\nmax_burst_length = "64 KiB"\n') == [
        (
            f'a.toml:6:20: target "{NAME}": iscsi.max_burst_length: first_burst_length, 256 KiB, is more than '
            "max_burst_length, 64 KiB; lower the one or raise the other (RFC 7143 13.14)"
        )
    ]


def test_a_portal_twice(tree: Tree) -> None:
    text = HEAD.replace("[target.access]", 'portals = ["10.0.0.1", "10.0.0.1:3260"]\n[target.access]')
    assert tree.complaints(text) == [
        (
            f'a.toml:3:24: target "{NAME}": portals[1]: "10.0.0.1:3260" is a portal of this target twice; '
            "remove one of the two"
        )
    ]


def test_all_errors_at_once(tree: Tree) -> None:
    text = HEAD.replace("disks", "Disks") + "[[target.lun]]\nnumber = 'x'\n" + NULL + LUN + "write_cache = 3\n" + LUN
    assert [line.split(":")[1] for line in tree.complaints(text)] == ["2", "6", "11", "13"]


def test_prune() -> None:
    data = {"target": [{"name": "x", "lun": [{"number": 1, "medium": {"type": 3}}], "portals": ["a", 2]}]}
    gone = [("target", 0, "portals", 1), ("target", 0, "lun", 0, "medium", "type")]
    pruned = prune(data, [Complaint(path, "", "") for path in gone])
    assert pruned == {"target": [{"name": "x", "lun": [{"number": 1, "medium": {}}], "portals": ["a", None]}]}
    assert data["target"][0]["portals"] == ["a", 2]
    assert prune(data, [Complaint(("target", 0), "", "", missing="access")]) == data


@pytest.mark.parametrize("value", ["3", "[]", "[3]", '"all"'])
def test_access_that_is_no_table(tree: Tree, value: str) -> None:
    (said,) = tree.complaints(f'[[target]]\nname = "{NAME}"\naccess = {value}\n')
    assert said.startswith(f'a.toml:3:10: target "{NAME}": access: must be a table, not ')


GROUP = """[[target.port_group]]
tag = 1
portals = ["10.0.0.1"]
"""


def test_port_groups(tree: Tree) -> None:
    target = tree.target(HEAD + GROUP)
    assert target.groups == (PortGroup(1, (Portal("10.0.0.1", 3260),), "active/optimized", False, False),)
    assert target.portals == (Portal("10.0.0.1", 3260),)


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (
            HEAD.replace("[target.access]", 'portals = ["10.0.0.2"]\n[target.access]') + GROUP,
            '3:11: target "{}": portals',
            (
                "the target has port_group tables, which say what portals there are; move the addresses into "
                "[[target.port_group]], or remove those tables"
            ),
        ),
        (
            HEAD + GROUP + GROUP.replace("10.0.0.1", "10.0.0.2"),
            '9:7: target "{}": port_group[1].tag',
            "the target has another port_group with tag 1; choose a free tag",
        ),
        (
            HEAD + GROUP + GROUP.replace("tag = 1", "tag = 2"),
            '10:12: target "{}": port_group[1].portals[0]',
            '"10.0.0.1" is a portal of this target twice; remove one of the two',
        ),
        (
            HEAD + GROUP + GROUP.replace("tag = 1", "tag = 2").replace("10.0.0.1", "0.0.0.0"),
            '7:12: target "{}": port_group[0].portals[0]',
            (
                '10.0.0.1:3260 is covered by 0.0.0.0:3260 of target "{}", so only one could listen; write 0.0.0.0:3260 '
                "here too, or particular addresses there"
            ),
        ),
    ],
)
def test_port_groups_that_cannot_be(tree: Tree, text: str, place: str, problem: str) -> None:
    assert tree.complaints(text) == [f"a.toml:{place}: {problem}".replace("{}", NAME)]


def test_preallocated_is_fully_provisioned(tmp_path: Path) -> None:
    with inside(tmp_path) as site:
        site.write(site.lun(1, medium=", preallocate = true, sync = true"))
        (target,) = site.loader.load().targets.values()
        lun = target.luns[1]
        assert (lun.thin, lun.medium.preallocate, lun.medium.sync) == (False, True, True)
        site.write(site.lun(1, medium=", preallocate = true", more="thin = true"))
        with pytest.raises(ConfigErrors, match="gives no space back"):
            site.loader.load()


def test_another_way_to_open_reopens(tmp_path: Path) -> None:
    with inside(tmp_path) as site:
        site.write(site.lun(1))
        site.start()
        site.write(site.lun(1, medium=", sync = true"))
        assert site.reload().result == "applied"
        medium = site.unit(1).device.medium
        assert medium is not None
        assert not medium.volatile


def test_no_filters_before_a_device_that_executes_commands_itself(tmp_path: Path) -> None:
    medium = 'medium = { type = "scsi", path = "/dev/sg0", filters = [{ type = "readonly" }] }'
    with inside(tmp_path) as site:
        site.write(f'[[target.lun]]\nnumber = 1\ndevice = "passthrough"\n{medium}\n')
        with pytest.raises(ConfigErrors) as refused:
            site.loader.load()
        assert [problem.key for problem in refused.value.problems] == ["medium.filters"]
