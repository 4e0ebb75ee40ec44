"""A medium whose data nobody can read without a key that it keeps itself, and can forget."""

from __future__ import annotations

from abc import ABC, abstractmethod

from tgtd.scsi.layer import bottom
from tgtd.scsi.medium import Store


class Keyed(ABC):
    """What such a medium has beside its verbs."""

    @abstractmethod
    def renew(self) -> None:
        """Another key from now on, durably: what was written before is noise. Nobody else uses the medium meanwhile.
        Blocks. Raises OSError."""


def keyed(medium: Store | None) -> Keyed | None:
    """The one that keeps the data below all layers, where it is one."""
    store: object = None if medium is None else bottom(medium)
    return store if isinstance(store, Keyed) else None
