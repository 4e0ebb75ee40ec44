"""What kinds of library there are to choose from: their names, and where their elements begin. Rows.

Backup programs know libraries by their names, and some have drivers for some only. The addresses are those that
libraries of that kind are known to have as they are delivered (of Overland's that is not known: it has StorageTek's);
a configuration may have others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LAST_ADDRESS = 0xFFFF


@dataclass(frozen=True, slots=True)
class Addresses:
    """The first element of each kind (SMC-3 7.3.3)."""

    robot: int
    ports: int
    drives: int
    slots: int

    def troubles(self, slots: int, ports: int, drives: int) -> Iterator[tuple[str, str]]:
        """Which kinds overlap or end beyond the last address, with so many elements: the kind, and what is wrong."""
        counts = {"robot": 1, "port": ports, "drive": drives, "slot": slots}
        firsts = {"robot": self.robot, "port": self.ports, "drive": self.drives, "slot": self.slots}
        before, end = "", 0
        for kind, first in sorted(firsts.items(), key=lambda item: item[1]):
            if not counts[kind]:
                continue
            if before and first < end:
                yield kind, f"element {first} would be the first {kind}, and elements up to {end - 1} are {before}s"
            before, end = kind, first + counts[kind]
            if end - 1 > LAST_ADDRESS:
                yield kind, f"the {kind}s would end at element {end - 1}, and {LAST_ADDRESS} is the last address"


@dataclass(frozen=True, slots=True)
class LibraryModel:
    """vendor, product, revision: of INQUIRY."""

    vendor: str
    product: str
    revision: str
    addresses: Addresses


_STK = Addresses(robot=1, ports=10, drives=500, slots=1000)
_ADIC = Addresses(robot=1, ports=16, drives=256, slots=4096)

MODELS = {
    "generic": LibraryModel("tgtd", "library", "0001", _STK),
    "ibm-3584": LibraryModel("IBM", "03584L32", "0001", Addresses(robot=1, ports=769, drives=257, slots=1025)),
    "ibm-ts3200": LibraryModel("IBM", "3573-TL", "0001", _ADIC),
    "stk-l80": LibraryModel("STK", "L80", "0001", _STK),
    "stk-l700": LibraryModel("STK", "L700", "0001", _STK),
    "stk-sl150": LibraryModel("STK", "SL150", "0001", _STK),
    "stk-sl500": LibraryModel("STK", "SL500", "0001", _STK),
    "stk-sl3000": LibraryModel("STK", "SL3000", "0001", _STK),
    "hp-msl-g3": LibraryModel("HP", "MSL G3 Series", "0001", Addresses(robot=1, ports=101, drives=500, slots=1001)),
    "hp-msl6000": LibraryModel("HP", "MSL6000 Series", "0001", Addresses(robot=1, ports=448, drives=480, slots=32)),
    "hp-eml": LibraryModel("HP", "EML E-Series", "0001", _STK),
    "overland-neo": LibraryModel("OVERLAND", "NEO Series", "0001", _STK),
    "spectra-t": LibraryModel("SPECTRA", "PYTHON", "0001", _ADIC),
    "quantum-scalar": LibraryModel("ADIC", "Scalar i500", "0001", _ADIC),
}
"""By the name that configurations have for it."""
