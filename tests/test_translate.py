"""Configuration words become the iSCSI room's, every field of them."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from tests.config.tree import HEAD, NAME, Tree
from tgtd import translate
from tgtd.config import model
from tgtd.config.schema import TARGETS, document
from tgtd.net.iscsi import settings
from tgtd.scsi import access


def user(name: str) -> model.ChapUser:
    return model.ChapUser(name, model.Secret("inline", name.encode() * 4))


def test_access_with_chap() -> None:
    chap = model.Chap((user("abc"), user("def")), user("out"), ("sha256",))
    wish = model.Access(False, ("iqn.a:*",), (ip_network("10.0.0.0/8"),), chap)
    made = translate.access(wish)
    assert made == settings.Access(
        False,
        ("iqn.a:*",),
        (ip_network("10.0.0.0/8"),),
        settings.Chap(
            {"abc": b"abcabcabcabc", "def": b"defdefdefdef"},
            settings.Credentials("out", b"outoutoutout"),
            ("sha256",),
        ),
    )
    assert "abcabc" not in repr(made)
    assert "outout" not in repr(made)


def test_the_open_door() -> None:
    made = translate.access(model.Access(True, (), (), model.Chap()))
    assert made.anyone
    assert made.chap.outgoing is None


def test_every_session_setting_is_carried_over() -> None:
    values: dict[str, Any] = {field.name: number for number, field in enumerate(dataclasses.fields(model.Iscsi), 1)}
    values |= {"header_digest": ("crc32c", "none"), "data_digest": ("none",)}
    made = translate.session_settings(model.Iscsi(**values))
    values |= {"header_digest": ("CRC32C", "None"), "data_digest": ("None",)}
    for field in dataclasses.fields(settings.Settings):
        assert getattr(made, field.name) == values[field.name]


def test_every_word_of_the_schema_is_known(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "etc")
    digests = 'header_digest = ["none", "crc32c"]\ndata_digest = ["crc32c", "none"]'
    tree.write(f"{HEAD}[target.iscsi]\n{digests}\n")
    made = translate.session_settings(tree.loader().load().targets[NAME].iscsi)
    assert (made.header_digest, made.data_digest) == (("None", "CRC32C"), ("CRC32C", "None"))


def test_every_limit_is_carried_over() -> None:
    values = {field.name: number for number, field in enumerate(dataclasses.fields(model.Limits), 1)}
    made = translate.limits(model.Limits(**values))
    for field in dataclasses.fields(settings.Limits):
        assert getattr(made, field.name) == values[field.name]


def test_redirects_views_and_endpoints() -> None:
    assert translate.redirect(None) is None
    assert translate.redirect(model.Redirect("10.0.0.2:3260", True)) == settings.Redirect("10.0.0.2:3260", True)
    assert translate.views((model.LunView(("iqn.a",), {0: 5}),)) == (settings.View(("iqn.a",), {0: 5}),)
    assert translate.endpoints((model.Portal("::", 3260),)) == (("::", 3260),)


GROUPS = """[[target.port_group]]
tag = 7
portals = ["10.0.0.1", "10.0.0.2:3261"]
preferred = true
[[target.port_group]]
tag = 2
portals = ["10.0.0.3"]
state = "standby"
explicit = true
"""


def test_port_groups(tmp_path: Path) -> None:
    wish = Tree(tmp_path / "etc").target(HEAD + GROUPS)
    assert translate.endpoints(wish.portals) == (("10.0.0.1", 3260), ("10.0.0.2", 3261), ("10.0.0.3", 3260))
    assert translate.tags(wish) == (7, 7, 2)
    standby = access.STATE_NAMES["standby"]
    assert translate.port_groups(wish) == (
        access.PortGroup(7, preferred=True),
        access.PortGroup(2, standby, False, True),
    )
    plain = Tree(tmp_path / "other").target(HEAD)
    assert (translate.tags(plain), translate.port_groups(plain)) == ((), None)


def test_every_state_has_its_word() -> None:
    words = document(TARGETS)["$defs"]["portGroup"]["properties"]["state"]["enum"]
    assert set(words) == set(access.STATE_NAMES)
