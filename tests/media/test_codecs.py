"""tgtd.media.codecs: what is packed is what is unpacked, and nothing grows beyond what was said."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tgtd.media.codecs import FORM_ZLIB, Zlib, Zstd, codecs

DATA = b"all work and no play " * 20_000


def both() -> list[Any]:
    return [Zlib(), Zstd(pytest.importorskip("zstandard"))]


def test_back_and_forth() -> None:
    for codec in both():
        packed = codec.pack(memoryview(DATA))
        assert len(packed) < len(DATA) // 10
        assert codec.unpack(memoryview(packed), len(DATA)) == DATA


def test_nothing_grows_beyond_what_was_said() -> None:
    zlib, zstd = both()
    for codec in (zlib, zstd):
        with pytest.raises(ValueError, match="another size"):
            codec.unpack(codec.pack(DATA), 1000)
        with pytest.raises(ValueError, match=r".+"):
            codec.unpack(b"no such thing at all", 1000)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert [codec.form for codec in codecs()] == [FORM_ZLIB]
