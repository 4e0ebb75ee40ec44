"""Portals, networks and redirections as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tgtd.config.model import Portal
from tgtd.config.problem import Mistake

DEFAULT_PORT = 3260
"""RFC 7143 13.8."""

_BRACKETED = re.compile(r"\[([^\]]*)\](?::(.*))?")
_PLAIN = re.compile(r"([^:]*)(?::([^:]*))?")
_HOST = re.compile(r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9-]{1,63}\.?")


def parse_portal(text: str) -> Portal:
    """ "10.0.0.1:3260", "[fd00::1]:3260"; the port may be left out. Raises Mistake."""
    host, port = _split(text)
    address = _address(text, host)
    if address.is_multicast or (address.version == 4 and address == IPv4Address("255.255.255.255")):
        raise Mistake(f'"{text}" is no address to listen on', 'write one of this machine, or "0.0.0.0:3260" for all')
    return Portal(str(address), port)


def parse_redirect(text: str) -> str:
    """An address or host name with its port, in canonical form. Raises Mistake."""
    host, port = _split(text)
    if host[-1:].isdigit() or ":" in host:
        address = _address(text, host)
        if address.is_unspecified:
            raise Mistake(f'"{text}" is no address to go to', "write the address of the other target")
        return str(Portal(str(address), port))
    if not _HOST.fullmatch(host):
        raise Mistake(f'"{host}" is neither an address nor a host name', 'write it as "10.0.0.2:3260"')
    return f"{host}:{port}"


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """ "10.0.0.0/8", or one address. Raises Mistake."""
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        example = 'for example "10.0.0.0/8", "fd00::/8" or "10.0.0.7"'
        raise Mistake(f'"{text}" is neither an address nor a network', example) from None
    host = text.partition("/")[0]
    raise Mistake(f'"{text}" is an address within a network', f'write "{network}" for the network or "{host}" for one')


def _split(text: str) -> tuple[str, int]:
    found = _BRACKETED.fullmatch(text) or _PLAIN.fullmatch(text)
    if found is None:
        return _explain_colons(text)
    host, port = found.groups()
    if text.startswith("[") and ":" not in host:
        raise Mistake(f'"{text}": only IPv6 addresses stand in brackets', f'write "{host}:{port or DEFAULT_PORT}"')
    if port is None:
        return host, DEFAULT_PORT
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and 1 <= int(port) <= 65535):
        raise Mistake(f'"{port}" is not a port', "write 1 to 65535; 3260 is usual")
    return host, int(port)


def _explain_colons(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    candidates = [f"[{text}]:{DEFAULT_PORT}", f"[{host}]:{port}"]
    for candidate in reversed(candidates) if len(port) > 3 else candidates:
        try:
            parse_portal(candidate)
        except Mistake:
            continue
        raise Mistake(f'"{text}" has an IPv6 address without brackets', f'write "{candidate}"')
    raise Mistake(f'"{text}" is not an address with a port', 'write it as "10.0.0.1:3260" or "[fd00::1]:3260"')


def _address(text: str, host: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(host)
    except ValueError:
        example = 'for example "10.0.0.1:3260", "[fd00::1]:3260", or "0.0.0.0:3260" for every address'
        raise Mistake(f'"{host}" is not an IP address', example) from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        port = text.rpartition("]:")[2] if "]:" in text else str(DEFAULT_PORT)
        raise Mistake(f'"{host}" is an IPv4 address in IPv6 clothes', f'write "{address.ipv4_mapped}:{port}"')
    return address


def clashes(portals: Iterable[Portal]) -> Iterator[tuple[Portal, Portal]]:
    """(wildcard, particular) pairs of which the kernel lets only one listen. IPv6 listeners take IPv6 only."""
    known = set(portals)
    for portal in known:
        wildcard = Portal("::" if ":" in portal.address else "0.0.0.0", portal.port)
        if portal != wildcard and wildcard in known:
            yield wildcard, portal
