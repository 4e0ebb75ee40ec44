"""tgtd.media.problem: cause and fix."""

from __future__ import annotations

import errno

from tgtd.media.problem import MediumError


def test_it_is_an_oserror_with_advice() -> None:
    error = MediumError(errno.ENOENT, "/x does not exist", "create it")
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOENT
    assert (error.cause, error.advice) == ("/x does not exist", "create it")
    assert str(error) == "/x does not exist; create it"
