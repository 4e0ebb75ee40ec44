"""What every device type on a medium shares: the medium comes, goes and changes while initiators look on.

tgtd.units drives a device through this alone; tgtd.devices lists the types. Does no I/O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.counters import Counters
from tgtd.scsi.lun import Identity
from tgtd.scsi.medium import Offload
from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.sense import Sense
from tgtd.scsi.spc.unit import PrimaryUnit
from tgtd.scsi.stall import Stall

M = TypeVar("M")
S = TypeVar("S")


class Device(PrimaryUnit, ABC, Generic[M, S]):
    """A logical unit on a medium of type M, with settings of type S, which are the administrator's.

    medium None: the device exists, answers INQUIRY and its like, and is NOT READY.
    """

    medium: M | None
    settings: S
    counters: Counters
    last_medium_error: OSError | None
    block_size: int
    """Bytes; 0 where there are no blocks of one size."""

    lost: Callable[[OSError], None] | None = None
    """Plugged in by who runs the device: called when a command finds that the medium is gone for good."""

    def __init__(self, identity: Identity, pool: BufferPool, lane: Offload) -> None:
        self.preventing: dict[LunNexus, None] = {}
        """Who prevents medium removal (spc/removal.py)."""
        super().__init__(identity, pool, lane)

    def restore_defaults(self) -> None:
        super().restore_defaults()
        self.preventing.clear()

    def lose(self, itl: LunNexus) -> None:
        super().lose(itl)
        self.preventing.pop(itl, None)

    def preempted(self, itl: LunNexus) -> None:
        super().preempted(itl)
        self.preventing.pop(itl, None)

    @property
    @abstractmethod
    def capacity(self) -> int | None:
        """Bytes that initiators know of; None where that is no property of the device."""

    @abstractmethod
    def insert(self, medium: M) -> None:
        """The medium is there (again): NOT READY to ready. Raises ValueError when it does not fit."""

    @abstractmethod
    def offline(self, sense: Sense | None = None) -> M | None:
        """Take the medium away and answer NOT READY, with `sense` if that is given, from now on; returns the medium,
        to be closed when the lane is idle."""

    @abstractmethod
    def change(self, settings: S, identity: Identity) -> None:
        """Adopt other settings while initiators look on. Raises ValueError when the medium cannot serve them."""

    def relayer(self, medium: M) -> None:
        """The medium that is there already, behind other layers. For devices on a BlockMedium."""

    def stall(self, stall: Stall | None) -> None:
        """The medium does not answer: what a command that needs it gets meanwhile. None: it does again."""

    @property
    def engaged(self) -> bool:
        """Whether commands wait for something that takes long by its nature, such as a format operation."""
        return False

    def grown(self, size: int) -> None:
        """The medium has `size` bytes now; for devices whose capacity is their medium's size."""

    def eject(self, force: bool) -> None:
        """Take a removable medium out, as a hand would. force: although initiators prevent it. Raises ValueError, with
        the reason in words, when that cannot be done."""
        raise ValueError("it has no medium that could be taken out")

    def load(self) -> None:
        """Put the medium back in. Raises ValueError when there is nothing to put in."""
        raise ValueError("it has no medium that could be put in")

    def meet(self, find: Callable[[str | None, int], AnyDevice | None]) -> None:
        """Which devices there are by now, for those that serve others. find: by target (None: its own) and LUN."""

    def traits(self) -> Mapping[str, bool]:
        """What sets one device of a type apart from another, in words for the administrator."""
        return {}

    def looked_at(self) -> None:
        """Somebody comes by every few seconds: for what is not worth a timer."""

    def worries(self) -> Iterable[str]:
        """What the administrator should see to, in words."""
        return ()

    def failed_self_test(self) -> str | None:
        """What the last self-test found wrong, for the administrator; None when it found nothing, or there was none."""
        return None


AnyDevice = Device[Any, Any]
