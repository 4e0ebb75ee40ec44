"""How long commands wait for a medium that hangs, and what becomes of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inside import IQN, Inside, inside
from tests.scsi.workbench import cdb10
from tests.test_faults import Client
from tgtd.status import unit_row

READ = cdb10(0x28, 0, 1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        yield it


def write(site: Inside, policy: str, timeout: float = 0.1, hanging: str = "true") -> None:
    site.write(
        site.lun(
            1,
            medium=f', filters = [{{ type = "stalled", hanging = {hanging} }}]',
            more=f'io_timeout = {timeout}\nio_timeout_policy = "{policy}"',
        )
    )


def row(site: Inside) -> tuple[object, object]:
    told = unit_row(site.unit(1))
    return told["state"], told["cause"]


def release(site: Inside) -> None:
    site.estate.fault(IQN, 1, False, lambda _: None)


@pytest.mark.parametrize("policy", ["busy", "not-ready", "fail"])
def test_answered_and_back_by_itself(site: Inside, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    write(site, policy)
    site.start()
    client = Client(site)
    hung = [client.start(READ) for _ in range(3)]
    site.turn_until(lambda: len(client.done) == 3)
    assert {task.status for task in hung} == {8 if policy == "busy" else 2}
    assert client.start(READ) in client.done, "at once"
    state, cause = row(site)
    assert state == "stalled"
    assert "has not answered for 0.1 seconds" in str(cause)
    with caplog.at_level(logging.WARNING):
        release(site)
        site.turn_until(lambda: row(site) == ("online", None))
    assert "not waited for any more" in caplog.text
    assert site.tree.shop.pool.used == 0, "what hung has given its buffers back"
    assert client.run(READ)[0] == 0


def test_hold_only_tells(site: Inside) -> None:
    write(site, "hold")
    site.start()
    client = Client(site)
    client.start(READ)
    site.turn_until(lambda: row(site)[0] == "stalled")
    assert not client.done
    release(site)
    site.turn_until(lambda: row(site) == ("online", None))
    assert [task.status for task in client.done] == [0]


def test_quick_media_and_no_timeout_are_left_alone(site: Inside) -> None:
    write(site, "fail", timeout=0)
    site.start()
    client = Client(site)
    client.start(READ)
    for _ in range(20):
        site.loop.turn(0.02)
    assert not client.done
    write(site, "fail", timeout=0.1)
    assert site.reload().result == "applied"
    site.turn_until(lambda: bool(client.done))
    assert client.done[0].status == 2


def test_another_medium_is_not_stalled(site: Inside) -> None:
    write(site, "busy")
    site.start()
    client = Client(site)
    client.start(READ)
    site.turn_until(lambda: bool(client.done))
    site.write(site.lun(1, file="other.img", more='io_timeout = 0.1\nio_timeout_policy = "busy"'))
    assert site.reload().result == "applied"
    assert row(site)[0] == "online"
    assert client.run(READ)[0] == 0


def test_a_format_operation_may_take_long(site: Inside) -> None:
    write(site, "fail")
    site.start()
    client = Client(site)
    task = client.start(bytes((0x04, 0, 0, 0, 0, 0)))
    for _ in range(20):
        site.loop.turn(0.02)
    assert task not in client.done
    assert row(site)[0] == "online"
    release(site)
    site.turn_until(lambda: task in client.done)
    assert task.status == 0
