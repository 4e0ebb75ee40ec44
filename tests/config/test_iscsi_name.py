from __future__ import annotations

import pytest

from tgtd.config.iscsi_name import check_name, check_pattern
from tgtd.config.problem import Mistake


@pytest.mark.parametrize(
    "name",
    [
        "iqn.2026-11.com.example",
        "iqn.2026-11.com.example:vm-disks",
        "iqn.2026-11.com.example:a:b.c-d",
        "iqn.2026-11.com.example:größe",
        "eui.02004567a425678d",
        "naa.52004567ba64678d",
        "naa.62004567ba64678d0123456789abcdef",
    ],
)
def test_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "problem", "fix"),
    [
        ("iqn.2026-11.com.Example:x", "upper case", 'write "iqn.2026-11.com.example:x"'),
        ("iqn.2026-13.com.example", "is no iqn name", "for example"),
        ("iqn.26-11.com.example", "is no iqn name", "for example"),
        ("iqn.2026-11.com.example:a b", "is no iqn name", "for example"),
        ("iqn.2026-11.com.example:a_b", '"_" may not stand', "write only letters, digits, - . and :"),
        ("iqn.2026-11.com.example:a/b", '"/" may not stand', "write only"),
        ("iqn.2026-11.com.example:\u202ea", r"u202ea' has characters that no", "plain letters"),
        ("iqn.2026-11.com.example:o\u0308", "has characters that no", "plain letters"),
        ("eui.02004567a425678", "is no EUI-64 name", "write eui. and 16"),
        ("naa.5", "is no NAA name", "16 or 32"),
        ("disks", "does not begin with iqn., eui. or naa.", "for example"),
        ("iqn.2026-11.com.example:" + "a" * 200, "longer than 223 bytes", "shorter"),
    ],
)
def test_no_names(name: str, problem: str, fix: str) -> None:
    with pytest.raises(Mistake, match=problem) as caught:
        check_name(name)
    assert fix in caught.value.fix


def test_patterns() -> None:
    check_pattern("iqn.1993-08.org.debian:01:*")
    with pytest.raises(Mistake, match="upper case"):
        check_pattern("IQN.*")
