"""tgtd.config.sharing: LUNs that several targets offer."""

from __future__ import annotations

import pytest

from tests.config.tree import HEAD, LUN, NAME, Tree
from tgtd.config.plan import diff

OTHER = "iqn.2026-11.com.example:other"
SHARE = f"""[[target.shared_lun]]
number = 5
target = "{NAME}"
lun = 1
"""
SECOND = f"""[[target]]
name = "{OTHER}"
[target.access]
anyone = true
[[target.port_group]]
tag = 2
portals = ["0.0.0.0"]
"""
FIRST = HEAD.replace("[target.access]", 'portals = ["0.0.0.0"]\n[target.access]') + LUN


def test_a_shared_lun(tree: Tree) -> None:
    tree.write(FIRST)
    tree.write(SECOND + SHARE, "targets.d/b.toml")
    target = tree.load().targets[OTHER]
    share = target.shared[5]
    assert (share.number, share.target, share.lun) == (5, NAME, 1)
    assert str(share.origin).endswith("b.toml:8:1")
    assert not target.luns


def test_a_map_may_name_it(tree: Tree) -> None:
    view = '[[target.map]]\ninitiators = ["iqn.a"]\nluns = [5]\n'
    tree.write(FIRST)
    tree.write(SECOND + SHARE + view, "targets.d/b.toml")
    assert tree.load().targets[OTHER].views[0].luns == {5: 5}


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (
            SECOND + SHARE.replace(NAME, "iqn.2026-11.com.example:none"),
            (
                'b.toml:10:10: shared_lun[0].target: there is no target "iqn.2026-11.com.example:none"; '
                'name one that there is ("NAME")'
            ),
        ),
        (
            SECOND + SHARE.replace(NAME, OTHER),
            (
                "b.toml:10:10: shared_lun[0].target: this is the target itself; name another target, or "
                "write [[target.map]] to show a lun under another number"
            ),
        ),
        (
            SECOND + SHARE.replace("lun = 1", "lun = 2"),
            (
                'b.toml:11:7: shared_lun[0].lun: target "NAME" has no lun 2; name one that it has (1), or '
                "remove this table"
            ),
        ),
        (
            SECOND + SHARE + SHARE.replace("number = 5", "number = 6"),
            ("b.toml:15:7: shared_lun[1].lun: lun 5 of this target is the same one; remove one of the two"),
        ),
        (
            SECOND + SHARE.replace("number = 5", "number = 1") + LUN,
            (
                "b.toml:9:10: shared_lun[0].number: the target has another lun 1, at b.toml:12:1; "
                "choose a "
                "free number, such as 2"
            ),
        ),
        (
            SECOND.replace("tag = 2", "tag = 1") + SHARE,
            (
                'b.toml:6:7: port_group[0].tag: port group 1 is also one of target "NAME" at a.toml:1:1, '
                "and "
                "the two share luns, so initiators could not tell their ports apart; give this target "
                "[[target.port_group]] "
                "with another tag, such as tag = 2"
            ),
        ),
        (
            FIRST.replace(NAME, OTHER) + SHARE.replace("number = 5", "number = 6"),
            (
                'b.toml:1:1: port group 1 is also one of target "NAME" at a.toml:1:1, and the two share '
                "luns, "
                "so initiators could not tell their ports apart; give this target [[target.port_group]] with another "
                "tag, "
                "such as tag = 2"
            ),
        ),
    ],
)
def test_what_cannot_be_shared(tree: Tree, second: str, said: str) -> None:
    tree.write(FIRST)
    found = tree.complaints(second, "targets.d/b.toml")
    assert [line.replace(f"{tree.root}/targets.d/", "").replace(f' target "{OTHER}":', "") for line in found] == [
        said.replace("NAME", NAME)
    ]


def test_chains_and_loops(tree: Tree) -> None:
    third = SECOND.replace(OTHER, f"{OTHER}2").replace("tag = 2", "tag = 3")
    tree.write(FIRST)
    tree.write(SECOND + SHARE, "targets.d/b.toml")
    (chained,) = tree.complaints(third + SHARE.replace(NAME, OTHER).replace("lun = 1", "lun = 5"), "targets.d/c.toml")
    assert f'lun 5 of target "{OTHER}" is shared itself' in chained
    assert f'name the lun itself: target = "{NAME}", lun = 1' in chained
    tree.write("", "targets.d/c.toml")
    tree.write(FIRST + SHARE.replace(NAME, OTHER).replace("lun = 1", "lun = 6").replace("number = 5", "number = 7"))
    looped = tree.complaints(
        SECOND + SHARE.replace("number = 5", "number = 6").replace("lun = 1", "lun = 7"), "targets.d/b.toml"
    )
    assert len(looped) == 2
    assert all("is shared itself" in line for line in looped)


def test_the_original_cannot_go_while_another_target_refers_to_it(tree: Tree) -> None:
    tree.write(FIRST)
    tree.write(SECOND + SHARE, "targets.d/b.toml")
    tree.load()
    (said,) = tree.complaints(FIRST.replace("number = 1", "number = 3"))
    assert f'target "{NAME}" has no lun 1; name one that it has (3), or remove this table' in said


def test_who_shares_a_lun_is_disturbed_by_its_edits(tree: Tree) -> None:
    tree.write(FIRST)
    tree.write(SECOND + SHARE, "targets.d/b.toml")
    before = tree.load()
    tree.write(FIRST.replace("number = 1", "number = 1\nread_only = true"))
    plan = diff(before, tree.load())
    told = plan.disturbs({NAME: ["near"], OTHER: ["far"], "iqn.none": ["nobody"]})
    assert told == [(who, ("unit attention: mode parameters changed",)) for who in ("near", "far")]
