"""CRC32C digests (RFC 7143 13.1, 11.1). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from crc32c import crc32c

DIGEST = 4


def digest(parts: Sequence[bytes | memoryview]) -> bytes:
    """The four bytes that follow `parts` on the wire: CRC32C, least significant byte first."""
    value = 0
    for part in parts:
        value = crc32c(part, value)
    return value.to_bytes(4, "little")
