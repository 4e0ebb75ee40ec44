"""tgtd.scsi.ssc.sealing: the layout of a seal, and what its tag covers."""

from __future__ import annotations

from tgtd.scsi.ssc.sealing import BlockLocation, Seal, decode

SEAL = Seal(True, 2, b"which key", b"really", b"CHECKSUM")


def test_back_and_forth() -> None:
    data = SEAL.encode()
    assert data == bytes((1, 1, 2, 9, 6, 0, 0, 0)) + b"CHECKSUM" + b"which key" + b"really"
    assert len(data) == SEAL.size
    assert decode(data + b"ciphertext") == SEAL
    bare = Seal(False, 0, b"", b"", bytes(8))
    assert decode(bare.encode()) == bare
    assert bare.size == 16


def test_what_is_no_seal() -> None:
    data = SEAL.encode()
    assert decode(b"") is None
    assert decode(data[:15]) is None
    assert decode(data[:-1]) is None
    assert decode(b"\2" + data[1:]) is None
    assert decode(data[:1] + b"\2" + data[2:]) is None


def test_what_the_tag_covers() -> None:
    """Everything but the U-KAD."""
    place = BlockLocation(0, 0x80, 7, 512)
    first = SEAL.associated(place)
    assert SEAL._replace(unauthenticated=b"any other").associated(place) == first
    others = (
        SEAL._replace(authenticated=b"reallY"),
        SEAL._replace(no_raw=False),
        SEAL._replace(kad_format=1),
        SEAL._replace(check=bytes(8)),
    )
    assert all(other.associated(place) != first for other in others)
    for name, value in (("partition", 1), ("form", 0x81), ("number", 8), ("length", 511)):
        assert SEAL.associated(place._replace(**{name: value})) != first
