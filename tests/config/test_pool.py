"""tgtd.config.pool: where a warning can come true."""

from __future__ import annotations

import pytest

from tests.config.test_protection import BLOCK, FILE, RAM
from tests.config.tree import HEAD, Tree


def test_percent(tree: Tree) -> None:
    assert tree.lun(FILE).pool_warning == 0
    assert tree.lun(FILE + "pool_warning = 90\n").pool_warning == 90


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BLOCK + "pool_warning = 90\n", "pool_warning: how full the pool of a block medium is cannot be found out;"),
        (RAM + "pool_warning = 90\n", "pool_warning: how full the pool of a ram medium is"),
        (FILE.replace(" }", ", preallocate = true }") + "pool_warning = 9\n", "pool_warning: a preallocated medium"),
        (FILE + "pool_warning = 100\n", "pool_warning: 100 is more than 99"),
        (
            'device = "tape"\nmedium = { type = "tape", path = "/a" }\npool_warning = 9\n',
            "pool_warning: is not for tape",
        ),
    ],
)
def test_what_does_not_fit(tree: Tree, text: str, said: str) -> None:
    (complaint,) = tree.complaints(f"{HEAD}[[target.lun]]\nnumber = 1\n{text}")
    assert said in complaint
