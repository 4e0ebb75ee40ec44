"""Every kind of violation, as it is told."""

from __future__ import annotations

import pytest

from tests.config.tree import HEAD, NAME, Tree
from tgtd.config.complaint import show

ACCESS = f'[[target]]\nname = "{NAME}"\n'
LUN = f"{HEAD}[[target.lun]]\nnumber = 1\n"
RAM = 'medium = { type = "ram", size = "1 MiB" }\n'
IN_TARGET = f'target "{NAME}": '
IN_LUN = f'target "{NAME}" lun 1: '


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            f"{LUN}{RAM}write_cach = true\n",
            f'a.toml:8:1: {IN_LUN}write_cach: is not a known key; did you mean "write_cache"?',
        ),
        (
            f"{LUN}{RAM}Read-Only = true\n",
            f'a.toml:8:1: {IN_LUN}Read-Only: is not a known key; did you mean "read_only"?',
        ),
        (
            "[[targets]]\n",
            'a.toml:1:3: targets: is not a known key; did you mean "target"?',
        ),
        (
            f"{LUN}{RAM}write_cache = 'true'\n",
            f"a.toml:8:15: {IN_LUN}write_cache: must be true or false, not text; write true without quotes",
        ),
        (
            f"{HEAD}[[target.lun]]\nnumber = '1'\n{RAM}",
            f'a.toml:6:10: target "{NAME}" lun "1": number: must be a whole number, not text; write 1 without quotes',
        ),
        (
            f"{LUN}{RAM}io_timeout = nan\n",
            f"a.toml:8:14: {IN_LUN}io_timeout: must be a number, not nan; for example 10",
        ),
        (
            f"{LUN}{RAM}block_size = 1024\n",
            f"a.toml:8:14: {IN_LUN}block_size: 1024 is not possible here; write one of 512, 4096",
        ),
        (
            f"{LUN}{RAM}device = 'dsik'\n",
            f'a.toml:8:10: {IN_LUN}device: "dsik" is not possible here; did you mean "disk"?',
        ),
        (
            f"{HEAD}[[target.lun]]\nnumber = 16384\n{RAM}",
            f'a.toml:6:10: target "{NAME}" lun 16384: number: 16384 is more than 16383; write 0 to 16383',
        ),
        (
            f"{LUN}medium = {{ type = 'ram', size = '100 G' }}\n",
            (
                f'a.toml:7:33: {IN_LUN}medium.size: "100 G" may mean two things; '
                'write "100 GiB" (2^30 bytes each) or "100 GB" (10^9)'
            ),
        ),
        (
            f"{LUN}medium = {{ type = 'ram', size = 1 }}\n",
            f"a.toml:7:33: {IN_LUN}medium.size: 1 is less than 512 bytes; write 512 bytes or more, and less than 8 EiB",
        ),
        (
            f"{LUN}medium = {{ type = 'file', path = '/x', create = true }}\n",
            (
                f"a.toml:7:10: {IN_LUN}medium.size: is missing; "
                'add size = "10 GiB": without it nobody knows how large it is to be'
            ),
        ),
        (
            f"{LUN}medium = {{ type = 'file' }}\n",
            f'a.toml:7:10: {IN_LUN}medium.path: is missing; add path = "/..."',
        ),
        (
            f"{LUN}medium = {{ type = 'block', path = '/dev/x', size = 512 }}\n",
            f"a.toml:7:45: {IN_LUN}medium.size: a medium of this type has none; remove size, or choose another type",
        ),
        (
            f"{LUN}medium = {{ type = 'file', path = 'x.img' }}\n",
            f'a.toml:7:34: {IN_LUN}medium.path: "x.img" is not an absolute path; for example "/srv/vm1.img"',
        ),
        (
            f"{LUN}{RAM}vendor = 'much too long'\n",
            f'a.toml:8:10: {IN_LUN}vendor: "much too long" has 13 characters; write at most 8',
        ),
        (
            f"{LUN}{RAM}rotation_rate = 2\n",
            (
                f"a.toml:8:17: {IN_LUN}rotation_rate: 2 is reserved (SBC-4 6.6.2); "
                "write 0 (not reported), 1 (solid state) or 1025 to 65534"
            ),
        ),
        (
            f"{ACCESS}",
            (
                f"a.toml:1:1: {IN_TARGET}access: is missing; "
                "add [target.access] with initiators, addresses or chap; anyone = true opens it to everybody"
            ),
        ),
        (
            f"{ACCESS}[target.access]\nanyone = false\n",
            (
                f"a.toml:3:1: {IN_TARGET}access: lets nobody in; "
                "add initiators, addresses or chap; anyone = true opens it to everybody"
            ),
        ),
        (
            f"{ACCESS}[target.access]\ninitiators = []\n",
            (
                f"a.toml:4:14: {IN_TARGET}access.initiators: is an empty array, which lists nothing; "
                'remove it, or for example ["iqn.1993-08.org.debian:01:*"]'
            ),
        ),
        (
            f"{ACCESS}[target.access]\ninitiators = 'iqn.*'\n",
            f'a.toml:4:14: {IN_TARGET}access.initiators: must be an array, not text; write ["iqn.*"]',
        ),
        (
            f"{ACCESS}[target.access]\naddresses = ['10.0.0.1', '10.0.0.1']\n",
            f'a.toml:4:13: {IN_TARGET}access.addresses: "10.0.0.1" stands in it twice; remove one of the two',
        ),
        (
            (
                f"{ACCESS}[target.access]\naddresses = ['10.0.0.1']\nchap_mutual = {{ user = 'a', secret = 'long "
                f"enough it is' }}\n"
            ),
            (
                f'a.toml:3:1: {IN_TARGET}access: "chap_mutual" needs "chap"; '
                "add chap: initiators must prove themselves before the target does"
            ),
        ),
        (
            f"{ACCESS}[target.access]\nchap = [{{ user = 'a', secret = {{ file = '/x', credential = 'c' }} }}]\n",
            (
                f"a.toml:4:32: {IN_TARGET}access.chap[0].secret: names none or several places; write one of file, "
                f"credential"
            ),
        ),
        (
            f"{ACCESS}[target.access]\nchap = [{{ user = 'a', secret = 'short' }}]\n",
            (
                f"a.toml:4:32: {IN_TARGET}access.chap[0].secret: the secret has 5 characters; "
                "write 12 to 255: 96 bits at least (RFC 7143 9.2.1)"
            ),
        ),
        (
            "[target]\nname = 'x'\n",
            (
                "a.toml:1:1: target: must be an array, not a table; write [[target]] with double brackets, "
                "or target = [{ ... }]"
            ),
        ),
        (
            f"{ACCESS}[target.access]\nchap = {{ user = 'a', secret = {{ file = '/x' }} }}\n",
            (
                f"a.toml:4:8: {IN_TARGET}access.chap: must be an array, not a table; "
                "write [[target.access.chap]] with double brackets, or chap = [{ ... }]"
            ),
        ),
        (
            f"{HEAD}[[lun]]\nnumber = 1\n",
            "a.toml:5:3: lun: is not a known key; write [[target.lun]], below its [[target]]",
        ),
        (
            f"{ACCESS}[target.access]\nanyone = true\nportals = ['10.0.0.1']\n",
            (
                f"a.toml:5:1: {IN_TARGET}access.portals: is not a known key; "
                "it belongs to the target: write it below [[target]], above [target.access] and [[target.lun]]"
            ),
        ),
        (
            f"[limits]\nsessions = 5\n{HEAD}",
            "a.toml:1:2: limits: is not a known key; it belongs in tgtd.toml",
        ),
        (
            f"{LUN}{RAM}path = '/x'\n",
            (
                f"a.toml:8:1: {IN_LUN}path: is not a known key; "
                'it belongs to the medium: medium = { type = "file", ... }'
            ),
        ),
        (
            f"{LUN}medium = {{ type = 'ram', siez = '1 MiB' }}\n",
            f'a.toml:7:26: {IN_LUN}medium.siez: is not a known key; did you mean "size"?',
        ),
        (
            f"{LUN}medium = '/srv/x.img'\n",
            (
                f"a.toml:7:10: {IN_LUN}medium: must be a table, not text; "
                'for example { type = "file", path = "/srv/vm1.img", size = "100 GiB", create = true }'
            ),
        ),
        (
            f"{LUN}medium = {{ type = 'ram', size = 1.5 }}\n",
            (
                f"a.toml:7:33: {IN_LUN}medium.size: must be a whole number or text in quotes, "
                'not a number with a fraction; for example "100 GiB"'
            ),
        ),
        (
            f"{ACCESS}[target.access]\nanyone = 'yes'\n",
            (
                f"a.toml:4:10: {IN_TARGET}access.anyone: must be true or false, not text; "
                "write true or false, without quotes"
            ),
        ),
    ],
)
def test_told(tree: Tree, text: str, told: str) -> None:
    assert tree.complaints(text, mode=0o600) == [told]


def test_a_lun_without_its_number(tree: Tree) -> None:
    (line,) = tree.complaints(f"{HEAD}[[target.lun]]\n{RAM}")
    assert line.startswith(f'a.toml:5:1: target "{NAME}" lun #1: number: is missing; add number = N')


def test_every_kind_of_value_can_be_shown() -> None:
    assert show({"a": [1, True, "x", 1.5]}) == '{ a = [1, true, "x", 1.5] }'
    assert show("a\nb") == '"a\\nb"'
    assert show(10**5000) == "a huge number"
    assert len(show("x" * 100)) == 60
    assert len(show("x" * 100, 0)) == 102
