"""tgtd.media.cipher: against the XTS of OpenSSL, and known answers."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tgtd.media import cipher
from tgtd.media.cipher import DataCipher, require, unwrap, wrap
from tgtd.media.problem import MediumError

KEY = bytes(range(64))


def by_others(number: int, data: bytes, unit: int) -> bytes:
    """One data unit after the other, as OpenSSL has it."""
    whole = b""
    for at in range(0, len(data), unit):
        mode = modes.XTS((number + at // unit).to_bytes(16, "little"))
        whole += Cipher(algorithms.AES(KEY), mode).encryptor().update(data[at : at + unit])
    return whole


@pytest.mark.parametrize("unit", [512, 1024, 2048, 4096])
@pytest.mark.parametrize("size", [4096, 12288, 69632, 1 << 18])
@pytest.mark.parametrize("number", [0, 0xFF, (1 << 32) - 3, (1 << 54) - 5])
def test_as_others_do(unit: int, size: int, number: int) -> None:
    data = os.urandom(size)
    made = DataCipher(KEY, unit)
    found = b"".join(made.encrypt(number, data))
    assert found == by_others(number, data, unit)
    back = memoryview(bytearray(found))
    made.decrypt(number, back)
    assert back == data


def test_known_answer() -> None:
    """IEEE 1619-2007 vector 10: AES-256-XTS, data unit number ffh."""
    key = bytes.fromhex(
        "2718281828459045235360287471352662497757247093699959574966967627"
        "3141592653589793238462643383279502884197169399375105820974944592"
    )
    found = b"".join(DataCipher(key, 512).encrypt(0xFF, bytes(range(256)) * 2))
    assert found[:32].hex() == "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b"


@pytest.mark.parametrize("unit", [512, 4096])
def test_what_was_never_written(unit: int) -> None:
    """Zeros below are zeros above; zeros that somebody writes are not zeros below."""
    made = DataCipher(KEY, unit)
    data = os.urandom(unit) + bytes(unit) + os.urandom(unit)
    below = bytearray(b"".join(made.encrypt(5, data)))
    assert any(below[unit : 2 * unit])
    below[unit : 2 * unit] = bytes(unit)
    view = memoryview(below)
    made.decrypt(5, view)
    assert view == data
    holes = memoryview(bytearray(40 * unit))
    made.decrypt(0, holes)
    assert not any(holes)


def test_weak_keys() -> None:
    for key in (bytes(64), bytes(32)):
        with pytest.raises(ValueError, match="not a key"):
            DataCipher(key, 512)


def test_wrapping() -> None:
    salt = os.urandom(32)
    wrapped = wrap(b"the secret", salt, KEY)
    assert unwrap(b"the secret", salt, wrapped) == KEY
    assert unwrap(b"the Secret", salt, wrapped) is None
    assert unwrap(b"the secret", bytes(32), wrapped) is None


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    require()
    monkeypatch.setattr(cipher, "INSTALLED", False)
    with pytest.raises(MediumError, match="apt install python3-cryptography"):
        require()
