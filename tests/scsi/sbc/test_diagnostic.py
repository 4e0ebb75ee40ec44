"""tgtd.scsi.sbc.diagnostic: which combinations are allowed."""

from __future__ import annotations

import pytest

from tests.scsi.diagnosing import LIST, PF, diagnose, make
from tests.scsi.workbench import pointer_of, sense_of
from tgtd.scsi.sense import INVALID_FIELD_IN_CDB

BG_SHORT, BG_EXTENDED, ABORT, FG_SHORT, FG_EXTENDED = 1, 2, 4, 5, 6
SELFTEST = 0x04


@pytest.mark.parametrize(
    ("cdb", "field", "bit"),
    [
        (diagnose(3), 1, 7),
        (diagnose(7), 1, 7),
        (diagnose(ABORT), 1, 7),
        (diagnose(BG_SHORT, SELFTEST), 1, 2),
        (diagnose(BG_SHORT, PF, 4), 1, 4),
        (diagnose(BG_SHORT, 0, 4), 3, 7),
        (diagnose(0, SELFTEST, 4), 3, 7),
        (diagnose(0, 0, 4), 1, 4),
        (diagnose(0, PF, 3), 3, 7),
        (diagnose(0, 0x08), 1, 3),
    ],
)
def test_combinations_that_are_not_allowed(cdb: bytes, field: int, bit: int) -> None:
    task = make().run(cdb, LIST)
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, field, bit)
