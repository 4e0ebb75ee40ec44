"""tgtd.media.anchorless: who cannot keep space says so."""

from __future__ import annotations

import errno

import pytest

from tgtd.media.null import NullMedium
from tgtd.media.ram import RamMedium


@pytest.mark.parametrize("medium", [RamMedium(1 << 20), NullMedium(1 << 20)])
def test_nothing_is_anchored(medium: RamMedium | NullMedium) -> None:
    assert not medium.can_anchor
    assert list(medium.anchored(0, 1 << 20)) == []
    with pytest.raises(OSError, match="not supported") as caught:
        medium.anchor(0, 4096)
    assert caught.value.errno == errno.EOPNOTSUPP
