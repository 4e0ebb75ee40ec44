"""From a parsed file to targets: defaults filled in, values made into what they mean, and every value's own checks.

Expects data that the schema has accepted, less what it has not (`prune`): so one load names everything that is wrong.
What concerns several files is in crosscheck.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from tgtd.config.access import AccessBuilder, ReadNames, read_secret
from tgtd.config.address import parse_portal, parse_redirect
from tgtd.config.complaint import Complaint
from tgtd.config.device import misfits
from tgtd.config.document import Document
from tgtd.config.encryption import SecretReader, encryption
from tgtd.config.fabric import check_access, check_luns, fabric_of, names, port_groups
from tgtd.config.filters import filters_of
from tgtd.config.iscsi_name import check_name, check_pattern
from tgtd.config.library import library_of
from tgtd.config.model import (
    PLAIN_TAG,
    IdentityWish,
    Iscsi,
    Library,
    Lun,
    LunView,
    Medium,
    Origin,
    Portal,
    PortGroup,
    Redirect,
    Secret,
    SharedLun,
    TapeFormat,
    Target,
)
from tgtd.config.modepages import mode_pages
from tgtd.config.pool import pool_warning
from tgtd.config.positions import Path
from tgtd.config.problem import Mistake
from tgtd.config.protection import protection_path
from tgtd.config.schema import Schema, Section
from tgtd.config.secrets import SecretStore
from tgtd.config.size import out_of_bounds, parse_size, show_size
from tgtd.config.tapeformats import tape_formats

T = TypeVar("T")

_IDENTITY = ("vendor", "product", "revision", "serial", "wwid")


@dataclass(frozen=True, slots=True)
class Placed:
    """A target with the places of what it is made of. luns, shared: all that were written, with any that
    repeat a number."""

    document: Document
    path: Path
    target: Target
    luns: tuple[tuple[Path, Lun], ...]
    shared: tuple[tuple[Path, SharedLun], ...] = ()


def prune(data: dict[str, Any], complaints: list[Complaint]) -> dict[str, Any]:
    """A copy without the values that are complained of; places in arrays stay, emptied places are None.

    What a target or a LUN lacks, and rules about whole tables, take nothing away.
    """
    copy: dict[str, Any] = _copied(data)
    for complaint in sorted(complaints, key=lambda c: len(c.path), reverse=True):
        path = complaint.path
        if not path or (complaint.missing is not None and _is_entry(path)):
            continue
        node: Any = copy
        for step in path[:-1]:
            node = node[step] if node is not None else None
        if isinstance(node, dict):
            if path[-1] != "access" or not isinstance(node.get("access"), dict):
                node.pop(path[-1], None)
        elif isinstance(node, list) and isinstance(path[-1], int):
            node[path[-1]] = None
    return copy


def _copied(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _copied(value) for key, value in node.items()}
    return [_copied(value) for value in node] if isinstance(node, list) else node


def _is_entry(path: Path) -> bool:
    """Whether a path is that of a target or a LUN."""
    return len(path) in (2, 4) and path[0] == "target" and path[2:3] in ((), ("lun",))


def checked(document: Document, path: Path, read: Callable[[str], T], text: str) -> T | None:
    """`read(text)`, or None and a complaint about the value at `path`."""
    try:
        return read(text)
    except Mistake as mistake:
        document.complain(path, str(mistake), mistake.fix)
        return None


def fill(document: Document, path: Path, section: Section, given: Mapping[str, Any]) -> dict[str, Any]:
    """A table with defaults, sizes as integers."""
    filled = {**section.defaults, **given}
    for key, (low, high) in section.sizes.items():
        value = filled.get(key)
        if isinstance(value, str):
            size = checked(document, (*path, key), parse_size, value)
            if size is not None and not low <= size <= high:
                document.complain((*path, key), *out_of_bounds(f'"{value}"', size, low, high))
            filled[key] = low if size is None else min(max(size, low), high)
    return filled


class TargetBuilder:
    """Makes targets of documents. Holds the contract's defaults and nothing of any document."""

    def __init__(self, schema: Schema) -> None:
        self._target = schema.section("target")
        self._lun = schema.section("target", "lun")
        self._medium = schema.section("target", "lun", "medium")
        self._library = schema.section("target", "lun", "library")
        self._format = schema.section("target", "lun", "formats")
        self._barcode = schema.section("target", "lun", "library", "barcodes")
        self._group = schema.section("target", "port_group")
        self._fabric = schema.section("target", "fabric")
        self._filter = schema.section("target", "lun", "medium", "filters")
        self._redirect = schema.section("target", "redirect")
        self._iscsi = schema.section("target", "iscsi")
        self._access = AccessBuilder(schema.section("target", "access"))
        self._plain_iscsi = _session_parameters(self._iscsi.defaults)
        self._plain_identity = _identity({**self._lun.defaults})
        self._known_portals: dict[str, Portal] = {}

    def build(
        self, document: Document, data: Mapping[str, Any], secrets: SecretStore, strict: bool
    ) -> Iterator[Placed]:
        """The targets of a document, in order. strict: a missing secret is an error, not a warning."""
        tables = data.get("target", [])
        origins = _Origins(document, tables)
        for index, table in enumerate(tables):
            if table is not None:
                yield self._build(document, ("target", index), table, origins, secrets, strict)

    def _build(
        self,
        document: Document,
        path: Path,
        table: dict[str, Any],
        origins: _Origins,
        secrets: SecretStore,
        strict: bool,
    ) -> Placed:
        filled = fill(document, path, self._target, table)
        name = filled.get("name", "")
        if name:
            checked(document, (*path, "name"), check_name, name)
        origin = origins.next(path)
        secret = partial(_secret, document, secrets, strict)
        luns = tuple(self._luns(document, path, filled.get("lun", ()), origins, secret))
        shared = tuple(_shared(document, path, table))
        numbers = {lun.number for _, lun in luns} | {share.number for _, share in shared}
        transport = filled["transport"]
        fabric = fabric_of(document, path, table, transport, self._fabric)
        read: ReadNames | None = None
        if fabric is None:
            groups = tuple(self._groups(document, path, table))
            portals = self._all_portals(document, path, filled, groups)
        else:
            groups, portals = port_groups(fabric, PLAIN_TAG), ()
            check_access(document, path, table, transport)
            check_luns(document, luns)
            read = partial(names, transport=transport)
        target = Target(
            name=name,
            alias=filled["alias"],
            transport=transport,
            portals=portals,
            groups=groups,
            shared={share.number: share for _, share in shared},
            access=self._access.build(document, (*path, "access"), filled.get("access", {}), secrets, strict, read),
            redirect=self._redirection(document, (*path, "redirect"), filled.get("redirect")),
            iscsi=self._parameters(document, (*path, "iscsi"), filled.get("iscsi")),
            views=tuple(_views(document, (*path, "map"), filled.get("map", ()), numbers, read)),
            luns={lun.number: lun for _, lun in luns},
            online=filled["online"],
            origin=origin,
            fabric=fabric,
        )
        return Placed(document, path, target, luns, shared)

    def _luns(
        self,
        document: Document,
        path: Path,
        tables: list[dict[str, Any] | None],
        origins: _Origins,
        secret: SecretReader,
    ) -> Iterator[tuple[Path, Lun]]:
        for index, table in enumerate(tables):
            place = (*path, "lun", index)
            origin = origins.next(place)
            if table is not None and "number" in table:
                yield place, self._lun_of(document, place, table, origin, secret)

    def _lun_of(
        self, document: Document, path: Path, table: dict[str, Any], origin: Origin, secret: SecretReader
    ) -> Lun:
        filled = {**self._lun.defaults, **table}
        plain = table.keys().isdisjoint(_IDENTITY)
        block = filled["block_size"]
        for place, problem, fix in misfits(filled["device"], table, self._lun.defaults):
            document.complain((*path, *place), problem, fix)
        if filled["physical_block_size"] < block:
            document.complain(
                (*path, "physical_block_size"),
                f"{filled['physical_block_size']} is less than block_size, {block}",
                f"write {block} or more",
            )
        medium = replace(
            self._medium_of(document, (*path, "medium"), filled.get("medium"), block),
            encryption=encryption(document, path, filled, secret),
        )
        if medium.preallocate and table.get("thin"):
            document.complain(
                (*path, "thin"),
                "a preallocated medium gives no space back",
                "write thin = false, or leave preallocate out of the medium",
            )
        return Lun(
            number=filled["number"],
            device=filled["device"],
            personality=filled["personality"],
            medium=medium,
            identity=self._plain_identity if plain else _identity(filled),
            write_cache=filled["write_cache"],
            block_size=block,
            physical_block_size=filled["physical_block_size"],
            read_only=filled["read_only"],
            removable=filled["removable"],
            thin=filled["thin"] and not medium.preallocate,
            rotation_rate=filled["rotation_rate"],
            management=tuple(url for url in filled.get("management", ()) if url is not None),
            mode_page=tuple(mode_pages(document, (*path, "mode_page"), filled.get("mode_page", []))),
            pool_warning=pool_warning(document, path, filled),
            library=self._library_of(document, path, filled),
            formats=self._formats_of(document, path, filled),
            partitions=filled["partitions"],
            protection=filled.get("protection"),
            protection_path=protection_path(document, path, filled),
            online=filled["online"],
            allow_shrink=filled["allow_shrink"],
            io_timeout=filled["io_timeout"],
            io_timeout_policy=filled["io_timeout_policy"],
            command_timeout=filled["command_timeout"],
            origin=origin,
        )

    def _formats_of(self, document: Document, path: Path, lun: Mapping[str, Any]) -> tuple[TapeFormat, ...]:
        place = (*path, "formats")
        rows = [
            fill(document, (*place, index), self._format, table or {})
            for index, table in enumerate(lun.get("formats") or ())
        ]
        return tape_formats(document, place, rows)

    def _library_of(self, document: Document, path: Path, lun: Mapping[str, Any]) -> Library | None:
        given = lun.get("library") or {}
        place = (*path, "library")
        rules = [
            fill(document, (*place, "barcodes", index), self._barcode, table or {})
            for index, table in enumerate(given.get("barcodes") or ())
        ]
        return library_of(document, path, lun, fill(document, place, self._library, given), rules)

    def _medium_of(self, document: Document, path: Path, table: dict[str, Any] | None, block: int) -> Medium:
        if table is None or "type" not in table:
            return Medium("null")
        filled = fill(document, path, self._medium, table)
        size = filled.get("size")
        if size is not None and size % block:
            down = size - size % block
            nearest = f"{down} or {down + block}" if down else f"{block}"
            document.complain((*path, "size"), f"{size} is not a multiple of block_size, {block}", f"write {nearest}")
        filters = filters_of(self._filter, filled["filters"], block)
        ways = {key: filled[key] for key in ("create", "direct", "sync", "preallocate")}
        return Medium(filled["type"], filled.get("path"), size, **ways, filters=filters)

    def _all_portals(
        self, document: Document, path: Path, filled: Mapping[str, Any], groups: tuple[PortGroup, ...]
    ) -> tuple[Portal, ...]:
        if "port_group" in filled:
            return tuple(portal for group in groups for portal in group.portals)
        return tuple(self._portals(document, (*path, "portals"), filled["portals"], set()))

    def _groups(self, document: Document, path: Path, table: Mapping[str, Any]) -> Iterator[PortGroup]:
        if "port_group" in table and "portals" in table:
            document.complain(
                (*path, "portals"),
                "the target has port_group tables, which say what portals there are",
                "move the addresses into [[target.port_group]], or remove those tables",
            )
        seen: set[Portal] = set()
        tags: set[int] = set()
        for index, entry in enumerate(table.get("port_group", ())):
            if entry is None or "tag" not in entry:
                continue
            place, filled = (*path, "port_group", index), {**self._group.defaults, **entry}
            tag = filled["tag"]
            if tag in tags:
                document.complain(
                    (*place, "tag"), f"the target has another port_group with tag {tag}", "choose a free tag"
                )
            tags.add(tag)
            portals = tuple(self._portals(document, (*place, "portals"), filled.get("portals", []), seen))
            yield PortGroup(tag, portals, filled["state"], filled["preferred"], filled["explicit"])

    def _portals(self, document: Document, path: Path, texts: list[str | None], seen: set[Portal]) -> Iterator[Portal]:
        """seen: portals that the target has already; those of `texts` join them."""
        for index, text in enumerate(texts):
            portal = None if text is None else self._portal(document, (*path, index), text)
            if portal in seen:
                document.complain((*path, index), f'"{text}" is a portal of this target twice', "remove one of the two")
            elif portal is not None:
                seen.add(portal)
                yield portal

    def _portal(self, document: Document, path: Path, text: str) -> Portal | None:
        """Thousands of targets have the same few portals."""
        known = self._known_portals.get(text)
        if known is None:
            known = checked(document, path, parse_portal, text)
            if known is not None:
                self._known_portals[text] = known
        return known

    def _redirection(self, document: Document, path: Path, table: Mapping[str, Any] | None) -> Redirect | None:
        if table is None:
            return None
        filled = {**self._redirect.defaults, **table}
        address = checked(document, (*path, "address"), parse_redirect, filled.get("address", "0.0.0.1"))
        return Redirect(address or "", filled["permanent"])

    def _parameters(self, document: Document, path: Path, table: Mapping[str, Any] | None) -> Iscsi:
        if not table:
            return self._plain_iscsi
        filled = fill(document, path, self._iscsi, table)
        first, most = filled["first_burst_length"], filled["max_burst_length"]
        if first > most:
            at = (*path, "first_burst_length" if "first_burst_length" in table else "max_burst_length")
            document.complain(
                at,
                f"first_burst_length, {show_size(first)}, is more than max_burst_length, {show_size(most)}",
                "lower the one or raise the other (RFC 7143 13.14)",
            )
        return _session_parameters(filled)


class _Origins:
    """Where targets and LUNs begin, asked for in the order of the file; the text is walked only if it must be."""

    def __init__(self, document: Document, tables: list[dict[str, Any] | None]) -> None:
        count = sum(1 + len((table or {}).get("lun", ())) for table in tables)
        self._document = document
        places = document.headers(count)
        self._places = None if places is None else iter(places)

    def next(self, path: Path) -> Origin:
        if self._places is None:
            return self._document.origin(path)
        return Origin(self._document.name, *next(self._places))


def _session_parameters(filled: Mapping[str, Any]) -> Iscsi:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in filled.items()}
    return Iscsi(**values)


def _identity(filled: Mapping[str, Any]) -> IdentityWish:
    wwid = filled.get("wwid")
    return IdentityWish(
        vendor=filled.get("vendor"),
        product=filled.get("product"),
        revision=filled.get("revision"),
        serial=filled.get("serial"),
        wwid=None if wwid is None else bytes.fromhex(wwid.removeprefix("naa.")),
    )


def _secret(document: Document, secrets: SecretStore, strict: bool, path: Path, written: Any) -> Secret:
    return read_secret(document, path, written, secrets, strict)


def _shared(document: Document, path: Path, table: Mapping[str, Any]) -> Iterator[tuple[Path, SharedLun]]:
    for index, entry in enumerate(table.get("shared_lun", ())):
        if entry is not None and entry.keys() >= {"number", "target", "lun"}:
            place = (*path, "shared_lun", index)
            yield place, SharedLun(entry["number"], entry["target"], entry["lun"], document.origin(place))


def _views(
    document: Document, path: Path, tables: list[dict[str, Any] | None], numbers: set[int], read: ReadNames | None
) -> Iterator[LunView]:
    for index, table in enumerate(tables):
        if table is None:
            continue
        place = (*path, index)
        patterns = list((read or _patterns)(document, (*place, "initiators"), table.get("initiators", [])))
        yield LunView(tuple(patterns), _renumbered(document, (*place, "luns"), table.get("luns", ()), numbers))


def _patterns(document: Document, path: Path, texts: list[str | None]) -> Iterator[str]:
    for at, text in enumerate(texts):
        if text is not None:
            checked(document, (*path, at), check_pattern, text)
            yield text


def _renumbered(document: Document, path: Path, entries: list[Any], numbers: set[int]) -> dict[int, int]:
    luns: dict[int, int] = {}
    for index, entry in enumerate(entries):
        if entry is None or (isinstance(entry, dict) and len(entry) < 2):
            continue
        lun, seen = (entry["lun"], entry["as"]) if isinstance(entry, dict) else (entry, entry)
        if lun not in numbers:
            known = ", ".join(map(str, sorted(numbers)[:10])) or "none"
            document.complain((*path, index), f"this target has no lun {lun}", f"name one that it has ({known})")
        if seen in luns:
            problem = f"two luns are to be seen as {seen}"
            document.complain((*path, index), problem, "give one of them another number: as = N")
        luns[seen] = lun
    return luns
