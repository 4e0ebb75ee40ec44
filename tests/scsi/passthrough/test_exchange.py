"""tgtd.scsi.passthrough.exchange: who a device is."""

from __future__ import annotations

import pytest

from tgtd.scsi.passthrough.exchange import Portrait


@pytest.mark.parametrize(("first", "kind"), [(0x00, 0x00), (0x01, 0x01), (0x25, 0x05), (0x7F, 0x1F)])
def test_device_type(first: int, kind: int) -> None:
    assert Portrait(bytes((first,)) + bytes(35)).device_type == kind
