"""What a unit without sensors and without predictions says of its health (SPC-5 7.3.11, 7.3.24): nothing is wrong that
its commands do not tell, and how warm it is nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tgtd.scsi.log import BINARY_LIST, LogPage, Parameter

_UNKNOWN_TEMPERATURE = 0xFF


def _temperature(unit: Any) -> Iterable[Parameter]:
    """Its temperature, as one that cannot be obtained. A reference temperature is optional, and there is none."""
    yield Parameter(0, BINARY_LIST, bytes((0, _UNKNOWN_TEMPERATURE)))


def _exceptions(unit: Any) -> Iterable[Parameter]:
    """DEXCPT is set: there are none."""
    yield Parameter(0, BINARY_LIST, bytes((0, 0, _UNKNOWN_TEMPERATURE, 0)))


TEMPERATURE = LogPage(0x0D, 0, "temperature", _temperature)
EXCEPTIONS = LogPage(0x2F, 0, "informational exceptions", _exceptions)
