"""CHAP (RFC 7143 12.1.3, RFC 1994), both directions, as the target plays it. Pure; comparisons take constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tgtd.net.iscsi.keys import Key, KeyPhase, number
from tgtd.net.iscsi.settings import Chap

_LONGEST = 1024  # RFC 7143 12.1.3: bytes of a challenge or response
_IDENTIFIER = Key("CHAP_I", None, "", KeyPhase.SECURITY, 0, 255)


class Algorithm(NamedTuple):
    number: int
    challenge: int
    digest: Callable[[bytes], bytes]


ALGORITHMS: Mapping[str, Algorithm] = {
    # usedforsecurity=False: hosts in FIPS mode still answer MD5 when the administrator left it in the list.
    "md5": Algorithm(5, 16, lambda data: hashlib.md5(data, usedforsecurity=False).digest()),
    "sha1": Algorithm(6, 20, lambda data: hashlib.sha1(data, usedforsecurity=False).digest()),
    "sha256": Algorithm(7, 32, lambda data: hashlib.sha256(data).digest()),
    "sha3-256": Algorithm(8, 32, lambda data: hashlib.sha3_256(data).digest()),
}
"""By the names used in settings; `number` is CHAP_A's, `challenge` the bytes of the challenge we send."""


class ChapFailed(Exception):
    """Authentication failed. The text is for the log: it names no secret, and is not told to the initiator."""


def decode_binary(text: str) -> bytes:
    """A large binary value: 0x hexadecimal or 0b base64 (RFC 7143 6.1). Raises ChapFailed."""
    kind, body = text[:2].lower(), text[2:]
    try:
        if kind == "0x":
            value = bytes.fromhex(body if len(body) % 2 == 0 else "0" + body)
        elif kind == "0b":
            value = base64.b64decode(body, validate=True)
        else:
            raise ChapFailed("a binary value starts with neither 0x nor 0b")
    except (ValueError, binascii.Error):
        raise ChapFailed("a binary value is malformed") from None
    if not 0 < len(value) <= _LONGEST:
        raise ChapFailed("a binary value is empty or too long")
    return value


class Exchange:
    """One authentication on one connection. `step` takes the keys of one request and gives those of the answer.

    random(n) → n unpredictable bytes. done: the initiator is who it says, and has its proof of us if it asked.
    """

    def __init__(self, chap: Chap, random: Callable[[int], bytes]) -> None:
        self._chap = chap
        self._random = random
        self._step = self._choose
        self._algorithm = ALGORITHMS["md5"]
        self._identifier = 0
        self._challenge = b""
        self.done = False
        self.user = ""

    def step(self, keys: Mapping[str, str]) -> list[tuple[str, str]]:
        """Raises ChapFailed."""
        return self._step(keys)

    def _choose(self, keys: Mapping[str, str]) -> list[tuple[str, str]]:
        offered = keys.get("CHAP_A")
        if offered is None:
            raise ChapFailed("the initiator sent no CHAP_A")
        wanted = {str(ALGORITHMS[name].number): ALGORITHMS[name] for name in self._chap.algorithms}
        found = next((wanted[a] for a in offered.split(",") if a in wanted), None)
        if found is None:
            raise ChapFailed(f"it offers CHAP algorithms {offered[:40]}, of which access.chap_algorithms allows none")
        self._algorithm = found
        self._identifier = self._random(1)[0]
        self._challenge = self._random(found.challenge)
        self._step = self._verify
        return [
            ("CHAP_A", str(found.number)),
            ("CHAP_I", str(self._identifier)),
            ("CHAP_C", "0x" + self._challenge.hex()),
        ]

    def _response(self, identifier: int, secret: bytes, challenge: bytes) -> bytes:
        return self._algorithm.digest(bytes((identifier,)) + secret + challenge)

    def _verify(self, keys: Mapping[str, str]) -> list[tuple[str, str]]:
        user, response = keys.get("CHAP_N"), keys.get("CHAP_R")
        if user is None or response is None:
            raise ChapFailed("the initiator sent no CHAP_N or no CHAP_R")
        secret = self._chap.incoming.get(user)
        known = secret is not None
        # An unknown user takes the same time as a wrong secret.
        expected = self._response(self._identifier, secret if secret is not None else self._random(16), self._challenge)
        if not hmac.compare_digest(expected, decode_binary(response)) or not known:
            raise ChapFailed(f"CHAP user {user[:64]!r}: " + ("wrong secret" if known else "not listed in access.chap"))
        self.user = user
        self.done = True
        self._step = self._over
        if "CHAP_I" in keys or "CHAP_C" in keys:
            return self._prove(keys)
        return []

    def _prove(self, keys: Mapping[str, str]) -> list[tuple[str, str]]:
        """The initiator asks us to prove ourselves (mutual CHAP)."""
        self.done = False
        outgoing = self._chap.outgoing
        if outgoing is None:
            raise ChapFailed("it asks the target to authenticate itself; set access.chap_mutual")
        challenge = decode_binary(keys.get("CHAP_C", ""))
        try:
            identifier = number(_IDENTIFIER, keys.get("CHAP_I", ""))
        except ValueError as error:
            raise ChapFailed(str(error)) from None
        # RFC 7143 9.2.1: a reflected challenge would make us compute our own answer for the initiator.
        if hmac.compare_digest(challenge, self._challenge):
            raise ChapFailed("the initiator sent our own challenge back (reflection)")
        self.done = True
        response = self._response(identifier, outgoing.secret, challenge)
        return [("CHAP_N", outgoing.user), ("CHAP_R", "0x" + response.hex())]

    def _over(self, keys: Mapping[str, str]) -> list[tuple[str, str]]:
        raise ChapFailed("CHAP keys after the authentication had ended")
