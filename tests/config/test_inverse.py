"""Each step of a plan has a way back, but for those that need none."""

from __future__ import annotations

import pytest

from tests.config.tree import HEAD, Tree
from tgtd.config.inverse import inverse
from tgtd.config.plan import diff
from tgtd.config.steps import AddPortal, GrowLun, ShrinkLun


def lun(number: int, size: str = "1 MiB", more: str = "", path: str = "x") -> str:
    medium = f'medium = {{ type = "file", path = "/srv/{path}{number}", size = "{size}" }}'
    return f"[[target.lun]]\nnumber = {number}\n{medium}\n{more}\n"


def test_every_step_has_an_inverse_that_leads_back(tree: Tree) -> None:
    tree.write(HEAD + lun(1) + lun(2) + lun(5))
    one = tree.load()
    head = HEAD.replace("[target.access]", 'alias = "x"\n[target.access]')
    tree.write(head + lun(1, "4 MiB", "thin = false") + lun(3) + lun(5, path="z"))
    tree.write("stop_timeout = 7\n", "tgtd.toml")
    tree.write(HEAD.replace(":disks", ":more") + lun(1, path="more"), "targets.d/b.toml")
    two = tree.load()
    steps = [*diff(one, two), *diff(two, one)]
    kinds = {type(step) for step in steps if not isinstance(step, AddPortal)}
    assert len(kinds) == 10, kinds
    for step in steps:
        back = inverse(step)
        for name in ("target", "lun"):
            assert getattr(back, name, None) == getattr(step, name, None)
        assert getattr(back, "old", None) == getattr(step, "new", None)
        assert getattr(back, "new", None) == getattr(step, "old", None)
        assert inverse(back) == step or isinstance(step, GrowLun | ShrinkLun)


def test_listeners_come_back_otherwise(tree: Tree) -> None:
    tree.write(HEAD + lun(1))
    portal, *_ = next(iter(tree.load().targets.values())).portals
    with pytest.raises(TypeError):
        inverse(AddPortal(portal))
