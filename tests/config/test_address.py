from __future__ import annotations

import re

import pytest

from tgtd.config.address import clashes, parse_network, parse_portal, parse_redirect
from tgtd.config.model import Portal
from tgtd.config.problem import Mistake


@pytest.mark.parametrize(
    ("text", "portal"),
    [
        ("10.0.0.1:3261", Portal("10.0.0.1", 3261)),
        ("10.0.0.1", Portal("10.0.0.1", 3260)),
        ("0.0.0.0:3260", Portal("0.0.0.0", 3260)),
        ("[::]:3260", Portal("::", 3260)),
        ("[fd00:0::1]", Portal("fd00::1", 3260)),
        ("[fe80::1%eth0]:3260", Portal("fe80::1%eth0", 3260)),
    ],
)
def test_portals(text: str, portal: Portal) -> None:
    assert parse_portal(text) == portal


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("fd00::1:3260", "IPv6 address without brackets", 'write "[fd00::1]:3260"'),
        ("fd00::1", "IPv6 address without brackets", 'write "[fd00::1]:3260"'),
        ("::", "IPv6 address without brackets", 'write "[::]:3260"'),
        ("[10.0.0.1]:3260", "only IPv6 addresses stand in brackets", 'write "10.0.0.1:3260"'),
        ("10.0.0.1:0", '"0" is not a port', "write 1 to 65535; 3260 is usual"),
        ("10.0.0.1:65536", '"65536" is not a port', "write 1 to 65535; 3260 is usual"),
        ("10.0.0.1:iscsi", '"iscsi" is not a port', "write 1 to 65535; 3260 is usual"),
        ("10.0.0.1:٣", '"٣" is not a port', "write 1 to 65535; 3260 is usual"),
        ("10.0.0.256:3260", '"10.0.0.256" is not an IP address', "for example"),
        ("storage.example:3260", '"storage.example" is not an IP address', "for example"),
        ("224.0.0.1:3260", "no address to listen on", '"0.0.0.0:3260" for all'),
        ("[::ffff:10.0.0.1]:3261", "IPv4 address in IPv6 clothes", 'write "10.0.0.1:3261"'),
        ("a:b:c", "is not an address with a port", 'write it as "10.0.0.1:3260" or "[fd00::1]:3260"'),
    ],
)
def test_no_portals(text: str, problem: str, fix: str) -> None:
    with pytest.raises(Mistake, match=re.escape(problem)) as caught:
        parse_portal(text)
    assert fix in caught.value.fix


def test_networks() -> None:
    assert [str(parse_network(text)) for text in ("10.0.0.0/8", "10.0.0.7", "fd00::/8")] == [
        "10.0.0.0/8",
        "10.0.0.7/32",
        "fd00::/8",
    ]
    with pytest.raises(Mistake) as caught:
        parse_network("10.0.0.1/8")
    assert caught.value.fix == 'write "10.0.0.0/8" for the network or "10.0.0.1" for one'
    with pytest.raises(Mistake, match="neither an address nor a network"):
        parse_network("everybody")


def test_redirections() -> None:
    assert parse_redirect("10.0.0.2") == "10.0.0.2:3260"
    assert parse_redirect("[fd00:0::2]:3261") == "[fd00::2]:3261"
    assert parse_redirect("other.example") == "other.example:3260"
    for wrong in ("0.0.0.0:3260", "a b", "10.0.0.300"):
        with pytest.raises(Mistake):
            parse_redirect(wrong)


def test_wildcards_clash_with_what_they_cover() -> None:
    every, one, six, other_port = (
        Portal("0.0.0.0", 1),
        Portal("10.0.0.1", 1),
        Portal("fd00::1", 1),
        Portal("10.0.0.1", 2),
    )
    assert list(clashes([every, one, six, other_port])) == [(every, one)]
    assert list(clashes([Portal("::", 1), six, one])) == [(Portal("::", 1), six)]
    assert list(clashes([every, Portal("::", 1)])) == []
