"""Targets on fabrics of the kernel: how their ports and initiators are called, and what does not go with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tgtd.config.document import Document
from tgtd.config.model import FabricPort, Lun, PortGroup
from tgtd.config.positions import Path
from tgtd.config.problem import Mistake
from tgtd.config.schema import Section


@dataclass(frozen=True, slots=True)
class Form:
    """How a name is written. pattern: of what is accepted, in lower case, without colons. words: what it is. write: as
    the kernel does."""

    pattern: re.Pattern[str]
    words: str
    example: str
    write: Callable[[str], str]

    def read(self, text: str) -> str:
        """A name as the kernel writes it. Raises Mistake."""
        plain = text.lower().replace(":", "")
        if not self.pattern.fullmatch(plain):
            raise Mistake(f'"{text}" is not {self.words}', f'write it like "{self.example}"')
        return self.write(plain)


def _bytes(plain: str) -> str:
    digits = plain[-16:]
    return ":".join(digits[at : at + 2] for at in range(0, 16, 2))


def _long(plain: str) -> str:
    return "0x" + plain.removeprefix("0x")


_WWPN = Form(
    re.compile(r"(0x|naa\.)?[0-9a-f]{16}"),
    "the name of a Fibre Channel port: 16 hexadecimal digits",
    "21:00:00:24:ff:31:4c:48",
    _bytes,
)
_GID = Form(
    re.compile(r"(0x)?[0-9a-f]{32}"),
    "the GID of an RDMA port: 32 hexadecimal digits",
    "fe80:0000:0000:0000:5054:00ff:fe12:3456",
    _long,
)
_SRP_INITIATOR = Form(
    re.compile(r"(0x)?[0-9a-f]{32}"),
    "the port identifier of an SRP initiator: 32 hexadecimal digits, of Linux's 16 zeros and the GUID of its port",
    "0x0000000000000000505400fffe123456",
    _long,
)
_NAA = Form(
    re.compile(r"naa\.[0-9a-f]{16}"),
    "an NAA name of 16 hexadecimal digits",
    "naa.5001405000000001",
    lambda plain: plain,
)
_UNIT = Form(
    re.compile(r"(0x)?[0-9a-f]{1,8}"),
    "the unit address of a virtual adapter: up to 8 hexadecimal digits",
    "30000003",
    lambda plain: plain.removeprefix("0x"),
)


@dataclass(frozen=True, slots=True)
class FabricKind:
    """port: how its ports are called. initiator: how its initiators are, None: it has no access lists. door: whether it
    can let in whoever comes."""

    port: Form
    initiator: Form | None
    door: bool


KINDS: Mapping[str, FabricKind] = {
    "ibmvscsis": FabricKind(_UNIT, None, True),
    "qla2xxx": FabricKind(_WWPN, _WWPN, True),
    "srp": FabricKind(_GID, _SRP_INITIATOR, False),
    "loopback": FabricKind(_NAA, None, True),
    "fcoe": FabricKind(_WWPN, _WWPN, False),
    "vhost": FabricKind(_NAA, None, True),
}
"""By transport."""

_OF_NETWORKS = {
    "portals": "its port takes their place",
    "port_group": "its port takes their place; its tag is in [target.fabric]",
    "redirect": "only iSCSI initiators can be sent elsewhere",
    "iscsi": "there are no such sessions",
}
_OF_ADDRESSES = ("addresses", "chap", "chap_mutual")


def fabric_of(
    document: Document, path: Path, table: Mapping[str, Any], transport: str, section: Section
) -> FabricPort | None:
    """What a target's table says of the fabric it is on; None: it is on iSCSI. Complaints go to the document."""
    kind = KINDS.get(transport)
    if kind is None:
        for key in ("port", "fabric"):
            if key in table:
                fix = f"remove {key}, or choose a fabric of the kernel: transport = one of {', '.join(KINDS)}"
                document.complain((*path, key), "is for fabrics of the kernel, and the transport is iscsi", fix)
        return None
    for key, why in _OF_NETWORKS.items():
        if key in table:
            document.complain((*path, key), f"a target on {transport} has none: {why}", f"remove {key}")
    filled = {**section.defaults, **(table.get("fabric") or {})}
    if filled["rdma_cm_port"] and transport != "srp":
        fix = "remove rdma_cm_port"
        document.complain((*path, "fabric", "rdma_cm_port"), f"{transport} has no RDMA connections", fix)
    port = table.get("port")
    if port is None:
        document.complain(path, f"a target on {transport} needs a port", f'add port = "{kind.port.example}"')
        port = kind.port.example
    try:
        name = kind.port.read(port)
    except Mistake as mistake:
        document.complain((*path, "port"), str(mistake), mistake.fix)
        name = ""
    return FabricPort(name, filled["cmd_time_out"], filled["tag"], filled["rdma_cm_port"])


def port_groups(fabric: FabricPort, plain: int) -> tuple[PortGroup, ...]:
    """The one port of a target, as a group; none where it has the tag that is not declared."""
    return () if fabric.tag == plain else (PortGroup(fabric.tag, (), "active/optimized", False, False),)


def check_access(document: Document, path: Path, table: Mapping[str, Any], transport: str) -> None:
    """Whether who gets in can be said so, on a fabric."""
    kind = KINDS[transport]
    access = table.get("access") or {}
    for key in _OF_ADDRESSES:
        if key in access:
            fix = f"remove {key}" + ("" if kind.initiator is None else ", and name initiators = [...]")
            document.complain((*path, "access", key), f"{transport} knows no addresses and no passwords", fix)
    if kind.initiator is None:
        for place in (("access", "initiators"), ("map",)):
            if (access if len(place) > 1 else table).get(place[-1]):
                document.complain(
                    (*path, *place),
                    f"{transport} has no access lists: whoever is at the other end of the port sees all luns",
                    f"remove {place[-1]}, and write anyone = true into [target.access]",
                )
    elif access.get("anyone") and not kind.door:
        document.complain(
            (*path, "access", "anyone"),
            f"the kernel lets nobody in on {transport} who is not named",
            f'name them: initiators = ["{kind.initiator.example}"]',
        )


def names(document: Document, path: Path, texts: Iterable[str | None], transport: str) -> Iterator[str]:
    """Initiators as the kernel writes them: whole names, no patterns."""
    form = KINDS[transport].initiator
    for index, text in enumerate(texts):
        if text is None or form is None:
            continue
        try:
            yield form.read(text)
        except Mistake as mistake:
            document.complain((*path, index), str(mistake), mistake.fix)


@dataclass(frozen=True, slots=True)
class Bar:
    """Why a LUN cannot be on a fabric of the kernel. key: of its table."""

    key: str
    problem: str
    fix: str


def bars(lun: Lun) -> Iterator[Bar]:
    """TCMU hands commands over without saying which way their data goes, which our devices know of each; and without
    the protection information beside it."""
    if lun.device == "passthrough":
        yield Bar(
            "device",
            "a passthrough is possible on iscsi only",
            "on a fabric of the kernel hand the device over with the kernel's own pscsi backstore (targetcli)",
        )
    if lun.protection is not None:
        yield Bar(
            "protection",
            "protection is possible on iscsi only: fabrics of the kernel would lose the protection information",
            "remove protection",
        )


def check_luns(document: Document, luns: Iterable[tuple[Path, Lun]]) -> None:
    for path, lun in luns:
        for bar in bars(lun):
            document.complain((*path, bar.key), bar.problem, bar.fix)
