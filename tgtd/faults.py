"""The filters of one unit: put before its medium, taken away while it runs, and told to hang or to go on."""

from __future__ import annotations

from tgtd.config.model import Filter
from tgtd.media.filters import filtered
from tgtd.media.stalled import StalledMedium
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.layer import bottom, layers
from tgtd.scsi.medium import Store


class Faults:
    """Loop thread only. `adopt` with the filters that are there changes nothing."""

    def __init__(self, device: AnyDevice) -> None:
        self._device = device
        self._filters: tuple[Filter, ...] = ()

    def before(self, medium: Store, filters: tuple[Filter, ...]) -> Store:
        """A medium that was opened just now, behind these filters."""
        self._filters = filters
        if not filters:
            return medium
        return filtered(medium, [(one.type, one.options) for one in filters])  # type: ignore[arg-type]

    def adopt(self, filters: tuple[Filter, ...]) -> None:
        """Other filters from now on. What hangs in one that goes, goes on."""
        medium = self._device.medium
        if filters == self._filters or medium is None:
            return
        self.release()
        self._device.relayer(self.before(bottom(medium), filters))

    def gates(self) -> list[StalledMedium]:
        return [layer for layer in layers(self._device.medium) if isinstance(layer, StalledMedium)]

    @property
    def hanging(self) -> bool:
        return any(gate.hanging for gate in self.gates())

    def hang(self) -> None:
        """What comes to a filter of type "stalled" waits from now on."""
        for gate in self.gates():
            gate.hang()

    def release(self) -> None:
        for gate in self.gates():
            gate.release()
