"""Data encryption parameters of a tape drive, and which I_T nexus has which (SSC-5 4.2.22.7 to 4.2.22.10).

They are in memory only: a reset, a restart and, with CKOD, the end of a mount sets them to their defaults, which
encrypt nothing. Keys are inside of ciphers; nothing hands them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tgtd.scsi.sense import (
    INSTANCE_COUNTER_CHANGED,
    PARAMETERS_CHANGED_BY_ANOTHER,
    CheckCondition,
)
from tgtd.scsi.ssc.sealing import Cipher

if TYPE_CHECKING:
    from tgtd.scsi.nexus import LunNexus

PUBLIC, LOCAL, ALL = 0, 1, 2
"""SCOPE: whatever those share who share, for one nexus alone, for all that have none of their own."""
DISABLED = 0
ENCRYPT = 2
RAW, DECRYPT, MIXED = 1, 2, 3
"""ENCRYPTION MODE and DECRYPTION MODE."""

_MOST_INSTANCES = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Parameters:
    """One set. instance: KEY INSTANCE COUNTER. cipher: None without a key. no_raw: blocks are marked as not to be read
    raw. external: CEEM. demount: CKOD. unauthenticated, authenticated: U-KAD and A-KAD, empty for none."""

    scope: int = PUBLIC
    encryption: int = DISABLED
    decryption: int = DISABLED
    instance: int = 0
    cipher: Cipher | None = field(default=None, repr=False)
    no_raw: bool = False
    external: int = 0
    demount: bool = False
    kad_format: int = 0
    unauthenticated: bytes = b""
    authenticated: bytes = b""


DEFAULT = Parameters()


class Keyring:
    """Of one drive. Belongs to the loop thread; a worker gets the parameters that hold when its command begins."""

    def __init__(self) -> None:
        self._shared: Parameters | None = None
        self._sharer: LunNexus | None = None
        self._own: dict[LunNexus, Parameters] = {}
        self._locks: dict[LunNexus, int] = {}
        self._listeners: dict[LunNexus, None] = {}
        self._instance = 0

    def scope(self, itl: LunNexus) -> int:
        """By which this nexus has set the last ones."""
        return LOCAL if itl in self._own else ALL if itl is self._sharer else PUBLIC

    def of(self, itl: LunNexus) -> Parameters:
        """Those that hold for a nexus."""
        return self._own.get(itl) or self._shared or DEFAULT

    @property
    def present(self) -> bool:
        """Whether any are set."""
        return self._shared is not None or bool(self._own)

    def use(self, itl: LunNexus) -> Parameters:
        """Those to read and write with. Raises DATA ENCRYPTION KEY INSTANCE COUNTER HAS CHANGED for a nexus that has
        locked itself to others than there are now (SSC-5 4.2.22.9)."""
        parameters = self.of(itl)
        if self._locks.get(itl, parameters.instance) != parameters.instance:
            raise CheckCondition(INSTANCE_COUNTER_CHANGED)
        return parameters

    def listen(self, itl: LunNexus) -> None:
        """A nexus that has asked for, or set, parameters is told from now on when somebody else changes them."""
        self._listeners[itl] = None

    def set(self, itl: LunNexus, parameters: Parameters, lock: bool) -> None:
        """A SET DATA ENCRYPTION page. The nexus is locked to what holds for it then, or not any more."""
        before = {other: self.of(other) for other in self._listeners}
        if parameters.scope != LOCAL:
            self._own.pop(itl, None)
        if parameters.scope != PUBLIC:
            self._instance = self._instance % _MOST_INSTANCES + 1
            parameters = replace(parameters, instance=self._instance)
        if parameters.scope == ALL:
            self._shared, self._sharer = parameters, itl
        elif self._sharer is itl:
            self._sharer = None
        if parameters.scope == LOCAL:
            self._own[itl] = parameters
        self._locks.pop(itl, None)
        if lock:
            self._locks[itl] = self.of(itl).instance
        for other in self._changed(before):
            if other is not itl:
                other.attend(PARAMETERS_CHANGED_BY_ANOTHER)

    def _changed(self, before: dict[LunNexus, Parameters]) -> Iterator[LunNexus]:
        return (itl for itl, parameters in before.items() if self.of(itl) is not parameters)

    def demount(self) -> None:
        """The cartridge is no longer threaded: keys that were for it are forgotten."""
        if self._shared is not None and self._shared.demount:
            self._shared = self._sharer = None
        self._own = {itl: parameters for itl, parameters in self._own.items() if not parameters.demount}

    def clear(self) -> None:
        """A reset: nobody has a key. Locks last: who relied on one is told."""
        self._shared = self._sharer = None
        self._own.clear()

    def lose(self, itl: LunNexus) -> None:
        """An I_T nexus is lost. What it shared lasts."""
        self._own.pop(itl, None)
        self._locks.pop(itl, None)
        self._listeners.pop(itl, None)
        if self._sharer is itl:
            self._sharer = None
