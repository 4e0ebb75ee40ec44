from __future__ import annotations

import dataclasses

import pytest

from tests.config.tree import HEAD, NAME, Tree
from tgtd.config.model import Config
from tgtd.config.plan import Plan, diff, refusals
from tgtd.config.steps import AddTarget, GrowLun

LUN = """[[target.lun]]
number = 1
write_cache = false
medium = { type = "file", path = "/srv/a.img", size = "1 GiB", create = true }
"""
BASE = HEAD.replace("[target.access]", 'portals = ["10.0.0.1:3260"]\n[target.access]') + LUN
SECOND = BASE.replace("disks", "second").replace("a.img", "b.img")
LUN2 = LUN.replace("number = 1", "number = 2").replace("a.img", "c.img")


def config(tree: Tree, text: str, daemon: str = "") -> Config:
    tree.write(text)
    tree.write(daemon, "tgtd.toml")
    return tree.load()


def change(tree: Tree, before: str, after: str) -> Plan:
    return diff(config(tree, before), config(tree, after))


def told(plan: Plan) -> list[tuple[str, tuple[str, ...]]]:
    return [(step.describe(), step.effects) for step in plan]


def test_nothing_to_do(tree: Tree) -> None:
    one, same = config(tree, BASE), config(tree, BASE)
    assert one.targets[NAME] is not same.targets[NAME]
    plan = diff(one, same)
    assert not plan
    assert len(plan) == 0
    assert plan.as_dict() == {"changes": [], "refusals": []}


def test_moved_lines_are_no_change(tree: Tree) -> None:
    assert not change(tree, BASE, "# a comment\n\n" + BASE)


def test_from_nothing(tree: Tree) -> None:
    assert told(diff(None, config(tree, BASE))) == [
        ("listen on 10.0.0.1:3260", ("none",)),
        (f'add target "{NAME}" with 1 lun', ("none",)),
    ]


@pytest.mark.parametrize(
    ("old", "new", "does", "effect"),
    [
        (
            "1 GiB",
            "2 GiB",
            'grow lun 1 of target "{}" from 1 GiB to 2 GiB',
            "unit attention: capacity data has changed",
        ),
        (
            "1 GiB",
            "1 MiB",
            'shrink lun 1 of target "{}" from 1 GiB to 1 MiB',
            "unit attention: capacity data has changed",
        ),
        (
            "a.img",
            "z.img",
            'put lun 1 of target "{}" on file /srv/z.img (1 GiB) instead of file /srv/a.img (1 GiB), copying nothing',
            "unit attention: medium may have changed",
        ),
        (
            "create = true",
            "create = true, direct = true",
            'open the medium of lun 1 of target "{}" anew: file /srv/a.img (1 GiB, direct)',
            "unit attention: medium may have changed",
        ),
        (
            ', size = "1 GiB", create = true',
            "",
            'open the medium of lun 1 of target "{}" anew: file /srv/a.img',
            "unit attention: capacity data has changed",
        ),
        (
            "write_cache = false",
            "write_cache = true",
            'change write_cache of lun 1 of target "{}"',
            "unit attention: mode parameters changed",
        ),
        (
            "write_cache = false",
            'write_cache = false\nserial = "S1"',
            'change identity of lun 1 of target "{}"',
            "unit attention: INQUIRY data has changed",
        ),
        (
            "write_cache = false",
            "write_cache = false\nonline = false",
            'take lun 1 of target "{}" offline',
            "commands are answered NOT READY",
        ),
        ("create = true", "create = false", 'change medium.create of lun 1 of target "{}"', "none"),
        (
            "anyone = true",
            'initiators = ["iqn.*"]',
            'change access of target "{}"',
            "sessions that are no longer allowed are logged out",
        ),
        ("[target.access]", 'alias = "x"\n[target.access]', 'change alias of target "{}"', "none"),
        (
            "[target.access]",
            "online = false\n[target.access]",
            'no longer offer target "{}"',
            "all its sessions are logged out",
        ),
        (
            "[[target.lun]]",
            "[target.iscsi]\nqueue_depth = 1\n[[target.lun]]",
            'change iscsi of target "{}"',
            "new logins only",
        ),
    ],
)
def test_one_change(tree: Tree, old: str, new: str, does: str, effect: str) -> None:
    assert old in BASE
    assert told(change(tree, BASE, BASE.replace(old, new))) == [(does.format(NAME), (effect,))]


def test_luns_come_and_go(tree: Tree) -> None:
    changed = ("unit attention: reported LUNs data has changed",)
    added = change(tree, BASE, BASE + LUN2)
    assert told(added) == [(f'add lun 2 of target "{NAME}": disk on file /srv/c.img (1 GiB)', changed)]
    assert told(change(tree, BASE + LUN2, BASE)) == [(f'remove lun 2 of target "{NAME}"', changed)]


def test_what_memory_holds_is_lost(tree: Tree) -> None:
    memory = BASE + '[[target.lun]]\nnumber = 2\nmedium = { type = "ram", size = "1 MiB" }\n'
    (gone,) = change(tree, memory, BASE)
    assert gone.describe() == f'remove lun 2 of target "{NAME}" and lose what its memory holds'
    moved = [step.describe() for step in change(tree, memory, BASE + LUN2)]
    assert any(words.endswith("of ram (1 MiB), copying nothing and losing what memory holds") for words in moved)


def test_other_formats_make_another_tape_drive(tree: Tree) -> None:
    tape = BASE.replace(BASE[BASE.index("[[target.lun]]") :], "") + (
        '[[target.lun]]\nnumber = 0\ndevice = "tape"\nmedium = { type = "tape" }\n'
    )
    for more in ("partitions = 2\n", 'formats = [{ code = 1, name = "A", capacity = "1 GB" }]\n'):
        plan = change(tree, tape, tape + more)
        assert [type(step).__name__ for step in plan.steps] == ["RemoveLun", "AddLun"]


def test_another_block_size_makes_another_lun(tree: Tree) -> None:
    plan = change(tree, BASE, BASE + "block_size = 4096\n")
    assert [type(step).__name__ for step in plan] == ["RemoveLun", "AddLun"]


def test_targets_come_and_go(tree: Tree) -> None:
    plan = change(tree, BASE, SECOND)
    assert told(plan) == [
        (f'remove target "{NAME}"', ("all its sessions are logged out",)),
        ('add target "iqn.2026-11.com.example:second" with 1 lun', ("none",)),
    ]


def test_a_listener_that_stays_is_not_touched(tree: Tree) -> None:
    plan = change(tree, BASE, BASE.replace('"]', '", "10.0.0.2:3260"]'))
    assert [step.describe() for step in plan] == ["listen on 10.0.0.2:3260", f'change portals of target "{NAME}"']


def test_a_listener_that_goes_goes_last(tree: Tree) -> None:
    plan = change(tree, BASE, BASE.replace("10.0.0.1", "10.0.0.2"))
    assert [step.describe() for step in plan] == [
        "listen on 10.0.0.2:3260",
        f'change portals of target "{NAME}"',
        "stop listening on 10.0.0.1:3260",
    ]


@pytest.mark.parametrize(("before", "after"), [("10.0.0.1", "0.0.0.0"), ("0.0.0.0", "10.0.0.1")])
def test_a_listener_in_the_way_goes_first(tree: Tree, before: str, after: str) -> None:
    plan = change(tree, BASE.replace("10.0.0.1", before), BASE.replace("10.0.0.1", after))
    assert [step.describe() for step in plan][:2] == [f"stop listening on {before}:3260", f"listen on {after}:3260"]


def test_the_daemon(tree: Tree) -> None:
    before = config(tree, BASE)
    plan = diff(before, config(tree, BASE, 'stop_timeout = 5\n[log]\nlevel = "debug"\n'))
    assert told(plan) == [("change log.level and stop_timeout of tgtd.toml", ("none",))]
    plan = diff(before, config(tree, BASE, "[limits]\nsessions = 5\n"))
    assert told(plan) == [("change limits of tgtd.toml", ("new logins only",))]


def test_a_secret_that_changed_is_a_change_of_access(tree: Tree) -> None:
    secret = tree.write("a secret of sixteen", "secret", 0o600)
    text = BASE.replace("anyone = true", f'chap = [{{ user = "u", secret = {{ file = "{secret}" }} }}]')
    tree.write(text)
    loader = tree.loader()
    before = loader.load()
    secret.write_text("another of eighteen")
    plan = diff(before, loader.load())
    assert [step.describe() for step in plan] == [f'change access of target "{NAME}"']
    assert "another" not in repr(plan) + str(plan.as_dict())


def test_shrinking_is_refused(tree: Tree) -> None:
    plan = change(tree, BASE, BASE.replace("1 GiB", "1 MiB"))
    (refusal,) = refusals(plan)
    assert str(refusal) == (
        f'{tree.root}/targets.d/a.toml:6:1: target "{NAME}" lun 1: medium.size: '
        "1 MiB is less than the 1 GiB that initiators know: what lies beyond would be lost; "
        'write size = "1 GiB", or allow_shrink = true if that is meant'
    )
    allowed = BASE.replace("1 GiB", "1 MiB") + "allow_shrink = true\n"
    assert refusals(change(tree, BASE, allowed)) == ()
    assert refusals(change(tree, BASE, BASE.replace("1 GiB", "2 GiB"))) == ()


def test_disturbed_sessions(tree: Tree) -> None:
    sessions = {NAME: ["a", "b"], "iqn.2026-11.com.example:second": ["c"]}
    plan = change(tree, BASE + SECOND, (BASE + SECOND).replace("1 GiB", "2 GiB", 1))
    assert plan.disturbs(sessions) == [(name, ("unit attention: capacity data has changed",)) for name in ("a", "b")]
    quiet = change(tree, BASE, BASE.replace("[target.access]", 'alias = "x"\n[target.access]'))
    assert quiet.disturbs(sessions) == []


def test_as_dict(tree: Tree) -> None:
    plan = change(tree, BASE, BASE.replace("1 GiB", "2 GiB") + "read_only = true\n")
    assert plan.as_dict()["changes"] == [
        {
            "step": "GrowLun",
            "does": f'grow lun 1 of target "{NAME}" from 1 GiB to 2 GiB',
            "effects": ["unit attention: capacity data has changed"],
            "target": NAME,
            "lun": 1,
        },
        {
            "step": "ChangeLun",
            "does": f'change read_only of lun 1 of target "{NAME}"',
            "effects": ["unit attention: mode parameters changed"],
            "target": NAME,
            "lun": 1,
            "fields": ["read_only"],
        },
    ]


ANEW = "commands are answered NOT READY until its medium is open anew, then unit attention: medium may have changed"


@pytest.mark.parametrize(
    ("before", "after", "effects"),
    [
        (
            "read_only = true\n",
            "",
            [
                "unit attention: mode parameters changed",
                f"unless its medium is open for writing already, {ANEW}",
            ],
        ),
        (
            "",
            'wwid = "naa.60000000000000000000000000000001"\n',
            [
                "unit attention: INQUIRY data has changed",
                ANEW,
            ],
        ),
        ("", 'serial = "S1"\n', ["unit attention: INQUIRY data has changed"]),
    ],
)
def test_what_opens_the_medium_anew(tree: Tree, before: str, after: str, effects: list[str]) -> None:
    (step,) = change(tree, BASE + before, BASE + after)
    assert list(step.effects) == effects


def test_unchanged_targets_are_not_looked_into(tree: Tree) -> None:
    before = config(tree, BASE)
    target = before.targets[NAME]
    poisoned = dataclasses.replace(target, luns=None)  # type: ignore[arg-type]  # would raise if looked at
    running = dataclasses.replace(before, targets={NAME: poisoned})
    assert not diff(running, dataclasses.replace(before, targets={NAME: poisoned}))


def test_what_is_carried_along(tree: Tree) -> None:
    wanted = config(tree, BASE)
    add = next(step for step in diff(None, wanted) if isinstance(step, AddTarget))
    assert add.new is wanted.targets[NAME]
    grown = config(tree, BASE.replace("1 GiB", "2 GiB"))
    (step,) = diff(wanted, grown)
    assert isinstance(step, GrowLun)
    assert step.new is grown.targets[NAME].luns[1]
