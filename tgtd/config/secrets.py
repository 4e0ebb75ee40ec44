"""CHAP secrets, by reference: a file, a systemd credential, or inline. Values go into model.Secret and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgtd.config.layers import read
from tgtd.config.model import Secret
from tgtd.config.problem import Mistake

SHORTEST = 12
"""Bytes: 96 bits (RFC 7143 9.2.1)."""
LONGEST = 255


class SecretMissing(Mistake):
    """The reference is in order; what it names is not here, or not ours to read."""


Reference = tuple[str, str]
"""("file", path), ("credential", name)."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of a reference: a secret, or the reason why there is none."""

    secret: Secret
    mistake: tuple[str, str] | None = None
    missing: bool = False


class SecretStore:
    """Reads each reference once. Made anew for every load, as secrets change without their references changing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._credentials = environment.get("CREDENTIALS_DIRECTORY")
        self._known: dict[Reference, Resolution] = {}

    def fetch(self, written: Mapping[str, Any]) -> tuple[Reference, Resolution]:
        """`written`: { file = … } or { credential = … }."""
        kind, name = next(iter(written.items()))
        reference = (str(kind), str(name))
        return reference, self.look(reference)

    def look(self, reference: Reference) -> Resolution:
        """The outcome for a reference; never raises."""
        if reference not in self._known:
            source = " ".join(reference)
            try:
                self._known[reference] = Resolution(Secret(source, self._read(*reference)))
            except Mistake as mistake:
                missing = isinstance(mistake, SecretMissing)
                self._known[reference] = Resolution(Secret(source, b""), (str(mistake), mistake.fix), missing)
        return self._known[reference]

    def _read(self, kind: str, name: str) -> bytes:
        if kind == "credential" and self._credentials is None:
            raise SecretMissing(
                f'there is no credential "{name}": the service manager passed none',
                f"add LoadCredential={name}:/path to the service (systemctl edit tgtd)",
            )
        path = Path(self._credentials or "", name) if kind == "credential" else Path(name)
        try:
            content = read(path)
        except OSError as error:
            raise SecretMissing(*_unread(kind, name, error)) from None
        if content.mode & 0o007:
            raise Mistake(f"{kind} {name} can be read by everybody (mode {content.mode:04o})", f"chmod o= {path}")
        value = content.data.removesuffix(b"\n").removesuffix(b"\r")
        if b"\n" in value and value.isascii():
            raise Mistake(f"{kind} {name} has more than one line", "write the secret as one line, and nothing else")
        check_length(value, f"{kind} {name}")
        return value


def _unread(kind: str, name: str, error: OSError) -> tuple[str, str]:
    if kind == "credential":
        fix = f"add LoadCredential={name}:/path to the service (systemctl edit tgtd)"
    elif isinstance(error, PermissionError):
        fix = f"let the daemon's group read it: chgrp tgtd {name}; chmod 0640 {name}"
    else:
        new = f"(umask 027; openssl rand -hex 16 > {name}; chgrp tgtd {name})"
        fix = f"name another file, or make a secret there: {new}"
    return f"{kind} {name} cannot be read: {error.strerror or error}", fix


def check_length(value: bytes, source: str) -> None:
    """Raises Mistake for a secret that is too short or too long. The message has its length, not its content."""
    if not SHORTEST <= len(value) <= LONGEST:
        raise Mistake(
            f"{source} holds a secret of {len(value)} bytes",
            f"use {SHORTEST} to {LONGEST} bytes: 96 bits at least (RFC 7143 9.2.1)",
        )


def inline(value: str, mode: int) -> Secret:
    """A secret that stands in a configuration file of that mode. Raises Mistake when others could read the file."""
    if mode & 0o077:
        raise Mistake(
            f"a secret stands in a file of mode {mode:04o}",
            'chmod 0600 the file, or put the secret elsewhere: secret = { file = "/etc/tgtd/secrets/name" }',
        )
    check_length(value.encode(), "it")
    return Secret("inline", value.encode())
