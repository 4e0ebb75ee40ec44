"""Persistent reservations through libiscsi, while the daemon restarts or is killed at any moment."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.scsi.reserving import CLEAR, CONFLICT, EA, IGNORE, PREEMPT, REGISTER, RELEASE, RESERVE, WE_RO
from tests.wire.conftest import IQN, Site
from tests.wire.libiscsi import Gone, Node

pytestmark = pytest.mark.wire

A, B = 0xA0A0A0A0A0A0A0A0, 0x000000000000000B

Seen = tuple[tuple[int, list[int]], tuple[int, int] | None]
"""What an observer sees: generation and keys, key and type of the reservation."""


def node(site: Site, name: str) -> Node:
    return Node(site.port, IQN, 1, f"iqn.2026-11.org.test:{name}", ord(name))


@contextmanager
def nodes(site: Site) -> Iterator[tuple[Node, Node]]:
    with ExitStack() as stack:
        yield stack.enter_context(node(site, "a")), stack.enter_context(node(site, "b"))


def look(site: Site) -> Seen:
    with node(site, "o") as observer:
        return observer.keys(), observer.held()


def begin(site: Site) -> None:
    site.write(site.target(site.lun(1)))
    site.start()


def test_a_restart_of_the_daemon_takes_nothing_away(site: Site) -> None:
    begin(site)
    with nodes(site) as (a, b):
        assert a.reserve_out(REGISTER, 0, A) == 0
        assert b.reserve_out(REGISTER, 0, B, aptpl=True) == 0
        assert a.reserve_out(RESERVE, A, kind=EA) == 0
        assert (a.write(bytes(512)), b.write(bytes(512))) == (0, CONFLICT)
    seen = look(site)
    assert seen == ((2, [A, B]), (A, EA))
    for stop in (site.stop, site.kill):
        stop()
        site.start()
        assert look(site) == seen
        with nodes(site) as (a, b):
            assert (a.write(bytes(512)), b.write(bytes(512))) == (0, CONFLICT)
    with node(site, "b") as b:
        assert b.reserve_out(PREEMPT, B, A, kind=WE_RO) == 0
        assert b.write(bytes(512)) == 0
    with node(site, "a") as a:
        assert a.write(bytes(512)) == CONFLICT
    assert look(site) == ((3, [B]), (B, WE_RO))


def test_tgtctl(site: Site) -> None:
    begin(site)
    assert site.tgtctl("reservations") == "no reservations\n"
    with node(site, "a") as a:
        assert a.reserve_out(REGISTER, 0, A) == 0
        assert a.reserve_out(RESERVE, A, kind=WE_RO) == 0
    told = site.tgtctl("reservations")
    assert f"{IQN} LUN 1: Write Exclusive - Registrants Only (generation 1)" in told
    assert "iqn.2026-11.org.test:a,i,0x" in told
    assert "0xa0a0a0a0a0a0a0a0  yes" in told
    assert "reserved" in site.status()["targets"][0]["luns"][0]["flags"]
    assert "no LUN 2" in site.tgtctl("reservations", "clear", IQN, "2", status=1)
    assert site.tgtctl("reservations", "clear", IQN, "1") == f"{IQN} LUN 1: 1 registration ended\n"
    assert json.loads(site.tgtctl("reservations", "--json")) == {"reservations": []}
    assert look(site) == ((2, []), None)
    assert "its reservations were cleared by tgtctl" in site.log


def test_a_damaged_file_closes_the_lun_until_somebody_decides(site: Site) -> None:
    begin(site)
    with node(site, "a") as a:
        assert a.reserve_out(REGISTER, 0, A) == 0
    site.stop()
    (file,) = (site.place / "state" / "reservations").iterdir()
    text = file.read_bytes()
    file.write_bytes(text.replace(b'"port": 1', b'"port": 7'))
    site.start()
    for command in ("reservations", "status"):
        assert "its checksum is wrong" in site.tgtctl(command)
    with site.login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        assert initiator.read(bytes(6), 0, lun=1).asc == (7, 0x44, 0x01)
    site.tgtctl("reservations", "clear", IQN, "1")
    assert file.with_suffix(".damaged").exists()
    with node(site, "a") as a:
        assert a.write(bytes(512)) == 0


STEPS = (
    ("a", REGISTER, 0, A, 0),
    ("b", IGNORE, 0, B, 0),
    ("a", RESERVE, A, 0, WE_RO),
    ("b", PREEMPT, B, A, EA),
    ("a", IGNORE, 0, A, 0),
    ("b", RELEASE, B, 0, EA),
    ("a", RESERVE, A, 0, EA),
    ("b", CLEAR, B, 0, 0),
)
"""Node, service action, key, new key, type: each changes the state."""


def perform(site: Site, number: int) -> int:
    name, action, key, new_key, kind = STEPS[number]
    with node(site, name) as it:
        return it.reserve_out(action, key, new_key, kind)


def forget(site: Site) -> None:
    for file in (site.place / "state" / "reservations").glob("*"):
        file.unlink()


@pytest.mark.slow
def test_killed_between_any_two_commands_or_in_the_middle_of_one(site: Site) -> None:
    """What was acknowledged is there, and of what was not it is all or nothing."""
    begin(site)
    states = [look(site)]
    for number in range(len(STEPS)):
        assert perform(site, number) == 0
        states.append(look(site))
    site.kill()
    random.seed(5)
    found = []
    for number in range(len(STEPS)):
        forget(site)
        site.start()
        for before in range(number):
            assert perform(site, before) == 0
        answers: list[int] = []
        name, action, key, new_key, kind = STEPS[number]
        victim = node(site, name)
        thread = threading.Thread(target=attempt, args=(victim, action, key, new_key, kind, answers))
        thread.start()
        time.sleep(random.choice((0, 0.0005, 0.001, 0.002, 0.004)))
        site.kill()
        thread.join()
        victim.close()
        site.start()
        seen = look(site)
        assert seen in states[number : number + 2], (number, seen)
        if answers:
            assert answers == [0]
            assert seen == states[number + 1], "it was acknowledged"
        found.append((bool(answers), seen == states[number + 1]))
        site.kill()
    assert len(found) == len(STEPS)


def attempt(it: Node, action: int, key: int, new_key: int, kind: int, answers: list[int]) -> None:
    try:
        answers.append(it.reserve_out(action, key, new_key, kind))
    except Gone:
        pass
