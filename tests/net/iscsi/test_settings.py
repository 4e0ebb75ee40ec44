"""Access rules and addresses."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tgtd.net.iscsi.settings import Access, Chap, Credentials, View, plain_address

TEN, ULA = ip_network("10.0.0.0/8"), ip_network("fd00::/8")
SECRETS = Chap({"host": b"a secret of twenty.."})


@pytest.mark.parametrize(
    ("access", "initiator", "address", "reason"),
    [
        (Access(), "iqn.a", "10.0.0.1", "nobody"),
        (Access(anyone=True), "iqn.a", "10.0.0.1", None),
        (Access(initiators=("iqn.a*",)), "iqn.abc", "10.0.0.1", None),
        (Access(initiators=("IQN.A*",)), "iqn.abc", "10.0.0.1", None),
        (Access(initiators=("iqn.a*",)), "iqn.b", "10.0.0.1", "initiators"),
        (Access(networks=(TEN,)), "iqn.b", "10.0.0.1", None),
        (Access(networks=(TEN,)), "iqn.b", "::ffff:10.0.0.1", None),
        (Access(networks=(TEN,)), "iqn.b", "192.0.2.1", "addresses"),
        (Access(networks=(TEN,)), "iqn.b", "fd00::1", "addresses"),
        (Access(networks=(TEN, ULA)), "iqn.b", "fd00::1%eth0", None),
        (Access(initiators=("iqn.a",), networks=(TEN,)), "iqn.a", "192.0.2.1", "addresses"),
        (Access(initiators=("iqn.a",), networks=(TEN,)), "iqn.b", "10.0.0.1", "initiators"),
        (Access(chap=SECRETS), "iqn.b", "192.0.2.1", None),
    ],
)
def test_refusal_says_what_to_change(access: Access, initiator: str, address: str, reason: str | None) -> None:
    refusal = access.refusal(initiator, address)
    assert refusal is None if reason is None else reason in (refusal or "")


@pytest.mark.parametrize(
    ("text", "plain"), [("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::1")]
)
def test_plain_address(text: str, plain: str) -> None:
    assert str(plain_address(text)) == plain


def test_views_match_by_glob() -> None:
    assert View(("IQN.x*", "eui.*"), {}).matches("iqn.xy")
    assert not View(("iqn.x*",), {}).matches("iqn.y")


def test_secrets_stay_out_of_repr() -> None:
    shown = repr((SECRETS, Credentials("host", b"a secret of twenty..")))
    assert "secret of" not in shown
