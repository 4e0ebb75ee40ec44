"""tgtd.media.tapecipher: against OpenSSL's GCM as python3-cryptography has it, and a known answer."""

from __future__ import annotations

import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tgtd.media import cipher
from tgtd.media.tapecipher import TapeCipher, ciphers

KEY = bytes(range(32))


def test_as_others_do() -> None:
    """The tag and the ciphertext are those of the streaming interface, which TapeCipher does not use."""
    data, associated = os.urandom(5000), b"beside it"
    found = b"".join(TapeCipher(KEY).encrypt(memoryview(data), associated))
    stream = Cipher(algorithms.AES(KEY), modes.GCM(found[:12], found[-16:])).decryptor()
    stream.authenticate_additional_data(associated)
    assert stream.update(found[12:-16]) + stream.finalize() == data


def test_known_answer() -> None:
    """Test case 14 of the GCM specification: a key, a nonce and a block of zeros."""
    ciphertext = "cea7403d4d606b6e074ec5d3baf39d18" + "d0d1c8a799996bf0265b98b5d48ab919"
    assert TapeCipher(bytes(32)).decrypt(bytes(12) + bytes.fromhex(ciphertext), b"") == bytes(16)


def test_what_was_changed_is_noticed() -> None:
    made = TapeCipher(KEY)
    whole = b"".join(made.encrypt(b"data" * 100, b"beside"))
    assert made.decrypt(whole, b"beside") == b"data" * 100
    for at in (0, 11, 12, 200, len(whole) - 1):
        torn = bytearray(whole)
        torn[at] ^= 1
        with pytest.raises(ValueError, match="another"):
            made.decrypt(bytes(torn), b"beside")
    for wrong in (whole[:-1], whole[:27], b""):
        with pytest.raises(ValueError, match=r"another|short"):
            made.decrypt(wrong, b"beside")
    with pytest.raises(ValueError, match="another"):
        made.decrypt(whole, b"besides")
    with pytest.raises(ValueError, match="another"):
        TapeCipher(bytes(32)).decrypt(whole, b"beside")


def test_nonces_do_not_come_twice() -> None:
    made, other = TapeCipher(KEY), TapeCipher(KEY)
    found = [one.encrypt(b"", b"")[0] for one in (made, other) for _ in range(300)]
    assert len(set(found)) == 600
    made._count = 0xFFFFFFFF
    last, first = made.encrypt(b"", b"")[0], made.encrypt(b"", b"")[0]
    assert last[8:] == b"\xff\xff\xff\xff"
    assert first[8:] == bytes(4)
    assert first[:8] != last[:8]


def test_keys_are_told_apart_by_eight_bytes() -> None:
    assert TapeCipher(KEY).check == TapeCipher(KEY).check != TapeCipher(bytes(32)).check
    assert len(TapeCipher(KEY).check) == 8
    with pytest.raises(ValueError, match="AES-256"):
        TapeCipher(bytes(16))


def test_the_library_gets_bytes() -> None:
    """Later ones take any buffer, that of Debian 12 does not."""

    class Strict:
        def encrypt(self, *parts: object) -> bytes:
            assert [type(part) for part in parts] == [bytes, bytes, bytes]
            return bytes(16)

        decrypt = encrypt

    made: Any = TapeCipher(KEY)
    made._gcm = Strict()
    whole = b"".join(made.encrypt(memoryview(bytearray(9)), b""))
    assert made.decrypt(memoryview(bytearray(whole)), b"") == bytes(16)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ciphers() is TapeCipher
    monkeypatch.setattr(cipher, "INSTALLED", False)
    assert ciphers() is None
