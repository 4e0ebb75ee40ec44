"""What the iSCSI room needs to know from its owner: plain data, assigned live, compared by value."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Credentials:
    """A CHAP name and its secret (RFC 7143 12.1.3); the secret stays out of repr."""

    user: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Chap:
    """incoming: user → secret of initiators that may log in; empty: no authentication is asked for.
    outgoing: how the target proves itself. algorithms: names of `chap.ALGORITHMS`, most wanted first."""

    incoming: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    outgoing: Credentials | None = None
    algorithms: tuple[str, ...] = ("sha3-256", "sha256", "sha1", "md5")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may log in: a name that matches one of `initiators` (globs; empty: any name) from one of `networks` (empty:
    any address), who passes CHAP where it is asked for. With nothing restricted, only `anyone` opens the door."""

    anyone: bool = False
    initiators: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    chap: Chap = field(default_factory=Chap)

    def refusal(self, initiator: str, address: str) -> str | None:
        """Why this initiator may not come in, with what to change; None when it may (CHAP comes later)."""
        if self.anyone:
            return None
        if not (self.initiators or self.networks or self.chap.incoming):
            return "[target.access] lets nobody in; list its name under initiators"
        if self.initiators and not any(fnmatch.fnmatchcase(initiator, glob.lower()) for glob in self.initiators):
            return "its name matches no entry of access.initiators; add it there"
        if self.networks:
            peer = plain_address(address)
            if not any(peer.version == net.version and peer in net for net in self.networks):
                return "its address is in no network of access.addresses; add it there"
        return None


@dataclass(frozen=True, slots=True)
class View:
    """What initiators whose names match see: their LUN → the target's LUN."""

    initiators: tuple[str, ...]
    luns: Mapping[int, int]

    def matches(self, initiator: str) -> bool:
        return any(fnmatch.fnmatchcase(initiator, glob.lower()) for glob in self.initiators)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where logins are sent instead: "host:port"."""

    address: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Session parameters on offer (RFC 7143 13). Sizes in bytes, times in seconds; 0 switches a timer off.

    header_digest, data_digest: acceptable values in no particular order, of "None" and "CRC32C".
    queue_depth: commands one session may have outstanding. max_sessions: 0 is no limit.
    """

    header_digest: tuple[str, ...] = ("None", "CRC32C")
    data_digest: tuple[str, ...] = ("None", "CRC32C")
    max_connections: int = 8
    max_outstanding_r2t: int = 4
    max_recv_data_segment_length: int = 262144
    max_burst_length: int = 1 << 20
    first_burst_length: int = 262144
    initial_r2t: bool = False
    immediate_data: bool = True
    default_time2wait: int = 2
    default_time2retain: int = 20
    nop_interval: float = 30
    nop_timeout: float = 30
    queue_depth: int = 128
    max_sessions: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what all initiators together may cost."""

    connections: int = 4096
    connections_per_address: int = 1024
    sessions: int = 4096
    login_timeout: float = 15


def plain_address(text: str) -> Address:
    """An address without its zone, and without the IPv6 clothes of an IPv4 one. Raises ValueError."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
