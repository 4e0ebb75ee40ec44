"""The LUNs that the conformance suites run against: chosen so that no test is left out for want of a feature."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

SLOW = "SCSI.Sanitize.Reset"
"""Wants a disk whose overwriting takes more than four seconds, and then sleeps for a minute."""

_FILE = '{{ type = "file", path = "{path}", size = "{size}", create = true }}'
_MEMORY = '{{ type = "ram", size = "{size}" }}'
_KEY = 'encryption = {{ key = {{ file = "{path}.key" }} }}'
_ENCRYPTED = f'{{{{ type = "file", path = "{{path}}", size = "{{size}}", create = true, {_KEY} }}}}'
_SLOW = (
    '{{ type = "ram", size = "256 MiB", filters = [{{ type = "slow", verbs = ["write"], delay = 0.15 }}], '
    f"{_KEY} }}}}"
)
_MOVING = ("SCSI.Read*", "SCSI.Write*", "SCSI.Verify*", "SCSI.Prefetch*", "SCSI.[CIOU]*")
_READING = ("SCSI.ReadOnly.*", "SCSI.Read*", "SCSI.Inquiry.*", "SCSI.Mandatory.*")


@dataclass(frozen=True, slots=True)
class Lun:
    """One LUN of every target. medium: as the target file has it, {path} and {size} filled in, where {path}.key is a
    secret; more: further keys.

    paths: how many portals the tool is given. tests: patterns of the names of the tests that it runs there.
    """

    name: str
    medium: str = _FILE
    size: str = "256 MiB"
    more: str = ""
    paths: int = 1
    tests: tuple[str, ...] = ("SCSI.*",)
    without: tuple[str, ...] = (SLOW,)

    def runs(self, test: str) -> bool:
        """Whether a test runs here."""
        return any(fnmatchcase(test, one) for one in self.tests) and test not in self.without


LUNS = (
    Lun("removable", more="removable = true\nthin = true", paths=2, tests=("SCSI.*", "iSCSI.*")),
    Lun("sectors-4096", more="block_size = 4096\nthin = true", tests=("SCSI.*", "iSCSI.*")),
    Lun("full", more="thin = false\nwrite_cache = false"),
    Lun("memory", medium=_MEMORY),
    Lun("protected", more="protection = 1", tests=_MOVING),
    Lun("encrypted", medium=_ENCRYPTED, more="thin = true", tests=(*_MOVING, "SCSI.Sanitize.*")),
    Lun("read-only", medium=_MEMORY, more="read_only = true", tests=_READING),
    Lun("slow", medium=_SLOW, tests=(SLOW,), without=()),
)
"""By their numbers, from 1 on."""
