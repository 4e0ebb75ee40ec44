"""tgtd.toml: what concerns the daemon itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tgtd.config.access import AccessBuilder
from tgtd.config.build import fill
from tgtd.config.document import Document
from tgtd.config.model import Access, Chap, Daemon, Limits
from tgtd.config.schema import Schema
from tgtd.config.secrets import SecretStore

_OPEN = Access(True, (), (), Chap())


class DaemonBuilder:
    """Makes Daemon of a document. Holds the contract's defaults."""

    def __init__(self, schema: Schema) -> None:
        self._top = schema.section()
        self._tables = {name: schema.section(name) for name in ("log", "reload", "limits")}
        self._discovery = AccessBuilder(schema.section("discovery"))

    def build(self, document: Document, data: Mapping[str, Any], secrets: SecretStore, strict: bool) -> Daemon:
        """strict: a missing secret is an error, not a warning."""
        top = {**self._top.defaults, **data}
        log, reload, limits = (
            fill(document, (name,), section, data.get(name, {})) for name, section in self._tables.items()
        )
        discovery = _OPEN
        if "discovery" in data:
            discovery = self._discovery.build(document, ("discovery",), data["discovery"], secrets, strict)
        return Daemon(
            io_uring=top["io_uring"],
            workers=None if top["workers"] == "auto" else top["workers"],
            log_level=log["level"],
            log_format=log["format"],
            stop_timeout=float(top["stop_timeout"]),
            reload_debounce=float(reload["debounce"]),
            watch=reload["watch"],
            discovery=discovery,
            limits=Limits(**{**limits, "login_timeout": float(limits["login_timeout"])}),
        )
