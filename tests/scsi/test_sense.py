"""tgtd.scsi.sense: both formats, the catalogue, the errno map."""

from __future__ import annotations

import errno

import pytest

from tgtd.scsi import sense as catalogue
from tgtd.scsi.sense import (
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    LBA_OUT_OF_RANGE,
    MISCOMPARE_DURING_VERIFY,
    WRITE_ERROR,
    CheckCondition,
    Numbered,
    Sense,
    encode,
    from_errno,
)

ROWS = {name: row for name, row in vars(catalogue).items() if isinstance(row, Sense)}


def test_fixed_format() -> None:
    data = encode(CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=3))
    assert data.hex(" ") == "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cb 00 02"


def test_descriptor_format() -> None:
    data = encode(CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=300), descriptor=True)
    assert data.hex(" ") == "72 05 26 00 00 00 00 08 02 06 00 00 80 01 2c 00"


def test_information() -> None:
    assert encode(CheckCondition(MISCOMPARE_DURING_VERIFY, information=513))[:8].hex() == "f0000e000002010a"
    data = encode(CheckCondition(MISCOMPARE_DURING_VERIFY, information=1), descriptor=True)
    assert data[7:].hex() == "0c" + "000a8000" + "0000000000000001"


def test_information_beyond_32_bits_is_for_descriptors_only() -> None:
    """An initiator that did not ask for descriptors (D_SENSE) never gets them."""
    trouble = CheckCondition(MISCOMPARE_DURING_VERIFY, information=1 << 32)
    assert encode(trouble)[:8].hex() == "70000e000000000a"
    assert encode(trouble, descriptor=True)[-8:].hex() == "0000000100000000"


def test_no_condition_has_two_names() -> None:
    places = [row[:3] for row in ROWS.values()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(("name", "row"), ROWS.items())
def test_rows_are_sane(name: str, row: Sense) -> None:
    assert 0 <= row.key <= 0xE
    assert 0 <= row.asc < 0x80, "vendor specific"
    assert 0 <= row.ascq < 0x80
    assert row.text


@pytest.mark.parametrize(
    ("number", "writing", "key"),
    [
        (errno.ENOSPC, True, 0x7),
        (errno.EDQUOT, True, 0x7),
        (errno.EROFS, True, 0x7),
        (errno.ENXIO, False, 0x2),
        (errno.EIO, False, 0x3),
        (errno.EIO, True, 0x3),
        (errno.ETIMEDOUT, True, 0x3),
    ],
)
def test_errno(number: int, writing: bool, key: int) -> None:
    assert from_errno(OSError(number, "x"), writing).sense.key == key


def test_write_and_read_errors_differ() -> None:
    assert from_errno(OSError(errno.EIO, ""), True).sense.asc == 0x0C
    assert from_errno(OSError(errno.EIO, ""), False).sense.asc == 0x11


def test_a_deferred_error_has_a_response_code_of_its_own() -> None:
    """SPC-5 4.4.7: 71h and 73h."""
    later = CheckCondition(WRITE_ERROR, information=5, stream=0x40).put_off()
    fixed = encode(CheckCondition(later))
    assert (fixed[0], fixed[2], fixed[6]) == (0xF1, 0x43, 5)
    assert encode(CheckCondition(later), descriptor=True)[0] == 0x73


def test_the_number_of_what_failed() -> None:
    """Of several parts of one command: in both fields, of either format; the error's own words stay."""
    error = Numbered(OSError(errno.EIO, "the disk is on fire"), 7)
    assert (error.errno, str(error)) == (errno.EIO, "[Errno 5] the disk is on fire")
    data = encode(from_errno(error, True))
    assert data.hex() == "f00003" + "00000007" + "0a" + "00000007" + "0c00" + "00000000"
    data = encode(from_errno(error, True), descriptor=True)
    assert data[8:].hex() == "000a8000" + "0000000000000007" + "010a0000" + "0000000000000007"


def test_a_pointer_into_the_parameter_list() -> None:
    """Of a row that speaks of no place."""
    assert encode(CheckCondition(LBA_OUT_OF_RANGE, field=32))[15:] == bytes((0xC0, 0, 32))
    assert encode(CheckCondition(LBA_OUT_OF_RANGE, field=32, listed=True))[15:] == bytes((0x80, 0, 32))
