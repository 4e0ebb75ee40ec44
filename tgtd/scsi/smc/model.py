"""What kind of library a changer is: its names, and where its elements begin. Rows.

Backup programs know libraries by their names, and some have drivers for some only.
"""

from __future__ import annotations

from dataclasses import dataclass

from tgtd.scsi.smc.inventory import Kind, Layout, Range


@dataclass(frozen=True, slots=True)
class LibraryModel:
    """vendor, product, revision: of INQUIRY. transport, ports, drives, storage: the first element of each kind."""

    vendor: str
    product: str
    revision: str
    transport: int
    ports: int
    drives: int
    storage: int

    def layout(self, slots: int, ports: int, drives: int) -> Layout:
        """With so many elements. Raises ValueError when some overlap."""
        return Layout(
            Range(Kind.TRANSPORT, self.transport, 1),
            Range(Kind.STORAGE, self.storage, slots),
            Range(Kind.PORT, self.ports, ports),
            Range(Kind.DRIVE, self.drives, drives),
        )


MODELS = {
    "generic": LibraryModel("tgtd", "library", "0001", transport=1, ports=10, drives=500, storage=1000),
    "ibm-3584": LibraryModel("IBM", "03584L32", "0001", transport=1, ports=769, drives=257, storage=1025),
    "stk-l700": LibraryModel("STK", "L700", "0001", transport=1, ports=10, drives=500, storage=1000),
    "hp-msl-g3": LibraryModel("HP", "MSL G3 Series", "0001", transport=1, ports=101, drives=500, storage=1001),
}
"""By the name that configurations have for it."""
