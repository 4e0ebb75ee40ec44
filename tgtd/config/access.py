"""Who gets in: [target.access], and [discovery] of tgtd.toml, which has the same form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from tgtd.config.address import parse_network
from tgtd.config.document import Document
from tgtd.config.iscsi_name import can_match, check_pattern
from tgtd.config.model import Access, Chap, ChapUser, Secret
from tgtd.config.positions import Path
from tgtd.config.problem import ERROR, WARNING, Mistake
from tgtd.config.schema import Section
from tgtd.config.secrets import SecretStore, inline

ReadNames = Callable[[Document, Path, list[str | None]], Iterator[str]]
"""What reads a list of initiators."""


class AccessBuilder:
    """Makes Access of tables. Holds the contract's defaults."""

    def __init__(self, section: Section) -> None:
        self._defaults = section.defaults
        self._networks: dict[str, IPv4Network | IPv6Network] = {}

    def build(
        self,
        document: Document,
        path: Path,
        table: Mapping[str, Any],
        secrets: SecretStore,
        strict: bool,
        names: ReadNames | None = None,
    ) -> Access:
        """strict: a secret that is not there is an error, not a warning. names: None: those of iSCSI, and patterns."""
        filled = {**self._defaults, **table}
        anyone = filled["anyone"]
        others = [key for key in ("initiators", "addresses", "chap") if key in table]
        if anyone and others:
            document.complain(
                (*path, "anyone"),
                f"anyone = true opens the door to everybody, yet {others[0]} narrows it",
                f"remove anyone, or {' and '.join(others)}",
            )
        return Access(
            anyone=anyone,
            initiators=tuple((names or _patterns)(document, (*path, "initiators"), filled.get("initiators", []))),
            addresses=tuple(self._addresses(document, (*path, "addresses"), filled.get("addresses", ()))),
            chap=_chap(document, path, filled, secrets, strict),
        )

    def _addresses(
        self, document: Document, path: Path, texts: list[str | None]
    ) -> Iterator[IPv4Network | IPv6Network]:
        known = self._networks
        for index, text in enumerate(texts):
            if text is None:
                continue
            try:
                if text not in known:
                    known[text] = parse_network(text)
                yield known[text]
            except Mistake as mistake:
                document.complain((*path, index), str(mistake), mistake.fix)


def _patterns(document: Document, path: Path, texts: list[str | None]) -> Iterator[str]:
    for index, text in enumerate(texts):
        if text is None:
            continue
        try:
            check_pattern(text)
        except Mistake as mistake:
            document.complain((*path, index), str(mistake), mistake.fix)
        if not can_match(text.lower()):
            fix = "initiator names begin with iqn., eui. or naa.; addresses stand in addresses = [...]"
            document.complain((*path, index), f'"{text}" lets nobody in', fix, severity=WARNING)
        yield text


def _chap(document: Document, path: Path, filled: Mapping[str, Any], secrets: SecretStore, strict: bool) -> Chap:
    algorithms = tuple(text for text in filled["chap_algorithms"] if text is not None)
    incoming: list[ChapUser] = []
    for index, table in enumerate(filled.get("chap", ())):
        place = (*path, "chap", index)
        user = _user(document, place, table, secrets, strict)
        if user is None:
            continue
        if any(user.user == other.user for other in incoming):
            document.complain((*place, "user"), f'there are two users "{user.user}"', "remove one of the two")
        incoming.append(user)
    place = (*path, "chap_mutual")
    outgoing = _user(document, place, filled.get("chap_mutual"), secrets, strict)
    if outgoing is not None and outgoing.secret.value:
        same = next((user for user in incoming if user.secret.value == outgoing.secret.value), None)
        if same is not None:
            document.complain(
                (*place, "secret"),
                f'the target would prove itself with the secret of user "{same.user}"',
                "use another secret for each direction (RFC 7143 9.2.1)",
            )
    return Chap(tuple(incoming), outgoing, algorithms)


def _user(
    document: Document, path: Path, table: Mapping[str, Any] | None, secrets: SecretStore, strict: bool
) -> ChapUser | None:
    if table is None or "user" not in table or not table.get("secret"):
        return None
    secret = read_secret(document, (*path, "secret"), table["secret"], secrets, strict)
    return ChapUser(table["user"], secret)


def read_secret(document: Document, path: Path, written: Any, secrets: SecretStore, strict: bool) -> Secret:
    """What a reference, or a secret itself, stands for; complains of what is wrong with it."""
    if isinstance(written, str):
        try:
            return inline(written, document.mode)
        except Mistake as mistake:
            document.complain(path, str(mistake), mistake.fix)
            return Secret("inline", b"")
    reference, outcome = secrets.fetch(written)
    document.secrets[reference] = outcome
    if outcome.mistake is not None:
        severity = WARNING if outcome.missing and not strict else ERROR
        document.complain(path, *outcome.mistake, severity=severity)
    return outcome.secret
