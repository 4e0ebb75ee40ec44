"""What a configuration says, as plain frozen data. No devices, no sockets, no defaults: the schema has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from tgtd.config.librarymodels import Addresses
from tgtd.config.problem import Problem


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: file as found, line and column from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by reference; `value` was read when the configuration was loaded and never appears in repr or logs."""

    source: str
    """What to call it in messages: "file /etc/tgtd/secrets/host1", "credential chap-host1", "inline"."""
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChapUser:
    user: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Chap:
    """incoming: who may log in. outgoing: how the target proves itself (mutual CHAP). algorithms: in order of
    preference, of "md5", "sha1", "sha256", "sha3-256"."""

    incoming: tuple[ChapUser, ...] = ()
    outgoing: ChapUser | None = None
    algorithms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """Who gets in. An initiator must match `initiators` (globs; empty: any name) and `addresses` (empty: any), and pass
    CHAP if `chap.incoming` is not empty. anyone = true is the explicit open door."""

    anyone: bool
    initiators: tuple[str, ...]
    addresses: tuple[IPv4Network | IPv6Network, ...]
    chap: Chap


@dataclass(frozen=True, slots=True)
class LunView:
    """What some initiators see instead of all LUNs: their number → the target's number. The first match counts."""

    initiators: tuple[str, ...]
    luns: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Portal:
    """An address to listen on; address is in `ipaddress`'s canonical text form."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


PLAIN_TAG = 1


@dataclass(frozen=True, slots=True)
class PortGroup:
    """Portals that are one target port, with its access state, as the schema words it. explicit: initiators may change
    it. preferred: tell them to use it."""

    tag: int
    portals: tuple[Portal, ...]
    state: str
    preferred: bool
    explicit: bool


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send initiators elsewhere at login (RFC 7143 11.13.5, status 0101h or 0102h).

    address: "10.0.0.2:3260", "[fd00::2]:3260" or "host.example:3260", as TargetAddress has it (13.8)."""

    address: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """type: "slow", "failing", "readonly", "stalled". options: the keys of its type and their values, by name; offset
    and length are in bytes."""

    type: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Encryption:
    """old_key: the key of before, while it is being changed. header: the file that keeps the data key, wrapped by
    `key`; None: memory does."""

    key: Secret
    old_key: Secret | None
    header: str | None


@dataclass(frozen=True, slots=True)
class Medium:
    """type: "file", "block", "ram", "null", "scsi", "tape", "library". path: of a file, device or
    directory. size: bytes, None: as large as it is. filters: what stands before it, the first nearest to the
    initiator."""

    type: str
    path: str | None = None
    size: int | None = None
    create: bool = False
    direct: bool = False
    sync: bool = False
    preallocate: bool = False
    filters: tuple[Filter, ...] = ()
    encryption: Encryption | None = None

    @property
    def way(self) -> tuple[bool, bool, bool, Encryption | None]:
        """In which way it is opened: another one calls for opening it anew."""
        return self.direct, self.sync, self.preallocate, self.encryption


@dataclass(frozen=True, slots=True)
class IdentityWish:
    """What the administrator declared; None is derived (see tgtd.identity)."""

    vendor: str | None
    product: str | None
    revision: str | None
    serial: str | None
    wwid: bytes | None


@dataclass(frozen=True, slots=True)
class ModePage:
    """parameters: what follows the header of the page."""

    page: int
    subpage: int
    parameters: bytes


@dataclass(frozen=True, slots=True)
class TapeFormat:
    """A recording format of a tape drive. capacity: bytes. width: tenths of millimetres."""

    code: int
    name: str
    capacity: int
    write: bool
    encryption: bool
    organisation: str
    description: str
    bits_per_mm: int
    width: int
    tracks: int
    medium_type: int


@dataclass(frozen=True, slots=True)
class DriveName:
    """A tape drive of a library: a LUN of the library's target, or of the target that is named."""

    lun: int
    target: str | None = None


@dataclass(frozen=True, slots=True)
class BarcodeRule:
    """What barcodes with this beginning and this end mean. generation, size: None, as without the rule."""

    prefix: str
    suffix: str
    type: str = "data"
    generation: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Library:
    """model, addresses: see librarymodels. cartridges: barcodes, None: all in the directory. size: bytes of those that
    are made, None: what their generation holds. rules: the first that fits counts."""

    drives: tuple[DriveName, ...]
    slots: int
    ports: int
    model: str
    addresses: Addresses
    cartridges: tuple[str, ...] | None = None
    create: bool = False
    size: int | None = None
    rules: tuple[BarcodeRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Lun:
    """library: of a changer. mode_page: in the order of their codes. protection: the type of protection information
    of a new disk; None: it never has any. protection_path: the file that keeps it; None: memory, or nothing is kept at
    all."""

    number: int
    device: str
    personality: str
    medium: Medium
    identity: IdentityWish
    write_cache: bool
    block_size: int
    physical_block_size: int
    read_only: bool
    removable: bool
    thin: bool
    rotation_rate: int
    mode_page: tuple[ModePage, ...]
    management: tuple[str, ...]
    online: bool
    allow_shrink: bool
    protection: int | None = field(default=None, kw_only=True)
    protection_path: str | None = field(default=None, kw_only=True)
    pool_warning: int = field(default=0, kw_only=True)
    """Percent of the file system; 0: none."""
    library: Library | None = field(default=None, kw_only=True)
    formats: tuple[TapeFormat, ...] = field(default=(), kw_only=True)
    """Of a tape drive; none: those of its personality."""
    partitions: int = field(default=0, kw_only=True)
    """Of a tape drive; 0: as many as its personality has."""
    io_timeout: float
    io_timeout_policy: str
    command_timeout: int
    """Seconds, of a passthrough."""
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class SharedLun:
    """A LUN of another target that this one offers too, as `number`."""

    number: int
    target: str
    lun: int
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class Iscsi:
    """Session parameters a target offers (RFC 7143 13); sizes in bytes, times in seconds."""

    header_digest: tuple[str, ...]
    data_digest: tuple[str, ...]
    max_connections: int
    max_outstanding_r2t: int
    max_recv_data_segment_length: int
    max_burst_length: int
    first_burst_length: int
    initial_r2t: bool
    immediate_data: bool
    default_time2wait: int
    default_time2retain: int
    nop_interval: int
    nop_timeout: int
    queue_depth: int
    max_sessions: int


@dataclass(frozen=True, slots=True)
class FabricPort:
    """What a target on a fabric of the kernel has instead of portals. port: as the kernel writes its name.
    cmd_time_out: seconds, 0: for ever. rdma_cm_port: 0: none."""

    port: str
    cmd_time_out: int
    tag: int
    rdma_cm_port: int


@dataclass(frozen=True, slots=True)
class Target:
    """portals: those of all groups. groups: empty where none are declared; then all portals are in group PLAIN_TAG.
    shared: by the number here."""

    name: str
    alias: str
    transport: str
    portals: tuple[Portal, ...]
    access: Access
    redirect: Redirect | None
    iscsi: Iscsi
    views: tuple[LunView, ...]
    luns: Mapping[int, Lun]
    online: bool
    origin: Origin = field(compare=False)
    groups: tuple[PortGroup, ...] = ()
    shared: Mapping[int, SharedLun] = field(default_factory=dict)
    fabric: FabricPort | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what initiators together may cost. Times in seconds, sizes in bytes."""

    connections: int
    connections_per_address: int
    sessions: int
    login_timeout: float
    buffer_memory: int
    max_threads: int


@dataclass(frozen=True, slots=True)
class Daemon:
    """tgtd.toml. workers: processes that serve targets, None: as suits the machine. discovery: access and CHAP for
    discovery sessions."""

    io_uring: bool
    workers: int | None
    log_level: str
    log_format: str
    stop_timeout: float
    reload_debounce: float
    watch: bool
    discovery: Access
    limits: Limits


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that was asked for. targets by name; files: every file that was read or is masked; warnings: what is
    accepted and yet doubtful."""

    daemon: Daemon
    targets: Mapping[str, Target]
    files: tuple[str, ...] = field(default=(), compare=False)
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
