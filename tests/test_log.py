"""Where records go and what they look like there."""

from __future__ import annotations

import io
import json
import logging
import os
import sys

import pytest
from systemd.journal import JournalHandler

from tgtd import log


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_text_lines_carry_the_fields_they_do_not_name(stream: io.StringIO) -> None:
    log.set_up("info", "text", stream)
    logger = logging.getLogger("tgtd.x")
    logger.info("LUN %d is online", 3, extra={"LUN": 3, "TARGET": "iqn.a"})
    logger.debug("not shown")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("info: LUN 3 is online target=iqn.a")


def test_a_record_is_one_line_and_plain(stream: io.StringIO) -> None:
    log.set_up("info", "text", stream)
    logging.getLogger("tgtd.test").warning("%s is gone", "/a\n2026-11-24 error: forged\x1b[31m\u202e\u00e9")
    assert stream.getvalue().endswith(r" warning: /a\n2026-11-24 error: forged\x1b[31m\u202e" + "\u00e9 is gone\n")


def test_json_lines(stream: io.StringIO) -> None:
    log.set_up("debug", "json", stream)
    try:
        raise ValueError("on purpose")
    except ValueError:
        logging.getLogger("tgtd.x").exception("failed", extra={"LUN": 3})
    row = json.loads(stream.getvalue())
    assert (row["level"], row["logger"], row["message"], row["lun"]) == ("error", "tgtd.x", "failed", 3)
    assert "on purpose" in row["traceback"]


def test_a_traceback_follows_its_line(stream: io.StringIO) -> None:
    log.set_up("debug", "text", stream)
    try:
        raise ValueError("on purpose")
    except ValueError:
        logging.getLogger("tgtd.x").exception("failed")
    assert stream.getvalue().splitlines()[-1] == "ValueError: on purpose"


def test_setting_up_again_replaces(stream: io.StringIO) -> None:
    log.set_up("info", "text", stream)
    log.set_up("error", "text", stream)
    logging.getLogger("tgtd").warning("no")
    logging.getLogger("tgtd").error("yes")
    assert len(stream.getvalue().splitlines()) == 1


def test_the_journal_is_recognised_by_device_and_inode() -> None:
    with open(os.devnull, "w") as stream:
        found = os.fstat(stream.fileno())
        right = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert log.goes_to_journal(stream, right)
        assert isinstance(log.handler("auto", stream, right), JournalHandler)
        assert not log.goes_to_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not log.goes_to_journal(stream, {})
        assert isinstance(log.handler("auto", stream, {}), logging.StreamHandler)
        assert isinstance(log.handler("journal", stream, {}), JournalHandler)
    assert not log.goes_to_journal(io.StringIO(), right)


@pytest.mark.parametrize("level", log.LEVELS)
def test_every_level_is_one(level: str) -> None:
    assert isinstance(logging.getLevelName(level.upper()), int)


def test_stderr_is_where_it_goes_unless_told(stream: io.StringIO) -> None:
    log.set_up("info")
    (handler,) = logging.getLogger("tgtd").handlers
    assert isinstance(handler, JournalHandler) or getattr(handler, "stream", None) is sys.stderr


def test_a_flood_is_cut_short_and_counted(stream: io.StringIO) -> None:
    log.set_up("info", "text", stream)
    now = 100.0
    (handler,) = logging.getLogger("tgtd").handlers
    handler.filters[:] = [log.Flood(lambda: now)]
    refused = logging.getLogger("tgtd.net.iscsi.loginphase")

    def storm(count: int) -> list[str]:
        before = len(stream.getvalue().splitlines())
        for number in range(count):
            refused.warning("login %d refused: 100 %% of them", number)
        return stream.getvalue().splitlines()[before:]

    lines = storm(5000)
    assert len(lines) == 1000
    remark = "(there are too many of these: from now on 10 a second are logged)"
    assert lines[-1].endswith(f"login 999 refused: 100 % of them {remark}")
    now += 0.5
    lines = storm(5000)
    assert len(lines) == 5
    assert lines[0].endswith("(and 4000 more like it, not logged)")
    assert not any("more like it" in line for line in lines[1:])
    now += 3600
    assert len(storm(5000)) == 1000


@pytest.mark.parametrize("module", ["tgtd.ledger", "tgtd.memories", "tgtd.protecting", "tgtd.scsi.lun"])
def test_what_initiators_cause_is_no_flood_while_nothing_can_be_kept(stream: io.StringIO, module: str) -> None:
    """Each command that wants something kept fails for as long as the state directory is full."""
    log.set_up("info", "text", stream)
    for _ in range(3000):
        logging.getLogger(module).error("it could not be kept")
    assert len(stream.getvalue().splitlines()) < 1100


def test_what_is_our_own_is_never_left_out(stream: io.StringIO) -> None:
    log.set_up("info", "text", stream)
    for number in range(3000):
        logging.getLogger("tgtd.reload").error("file %d is broken", number)
        if number == 1500:
            logging.getLogger("tgtd.net.iscsi.portal").error("another place has an allowance of its own")
    assert len(stream.getvalue().splitlines()) == 3001


def test_every_set_up_limits(stream: io.StringIO) -> None:
    log.set_up("info", "json", stream)
    for number in range(1100):
        logging.getLogger("tgtd.control").warning("%d", number)
    assert 1000 <= len(stream.getvalue().splitlines()) < 1100
