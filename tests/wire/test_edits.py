"""Two hundred edits of the target files under running I/O: whoever is not named in the change notices nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.daemon import eventually
from tests.initiator import SYNCHRONIZE_CACHE, Initiator, read10, write10
from tests.wire.conftest import Site

pytestmark = [pytest.mark.wire, pytest.mark.slow]

EDITS = 200
OTHER = "iqn.2026-11.org.test:comes-and-goes"

# What may go wrong in a file, and what the error must say besides the file's name: its line and its cause.
BREAKS = (
    ("[[target]\n", ":1:", "TOML"),
    ('[[target]]\nnmae = "iqn.2026-11.org.test:x"\n', ":2:", "nmae"),
    ('[[target]]\nname = "iqn.2026-11.org.test:x"\nportals = ["127.0.0.1:1"]\n', ":1:", "access"),
    ('[[target]]\nname = "x"\nportals = ["127.0.0.1:1"]\n[target.access]\nanyone = true\n', ":2:", "name"),
)


class Worker(threading.Thread):
    """Writes and reads back, over and over, until told to stop; `trouble` is the first thing that went wrong."""

    def __init__(self, initiator: Initiator) -> None:
        super().__init__(daemon=True)
        self.initiator = initiator
        self.trouble: BaseException | None = None
        self.rounds = 0
        self.stopping = False

    def run(self) -> None:
        try:
            while not self.stopping:
                self._round()
        except BaseException as error:
            self.trouble = error

    def _round(self) -> None:
        lba = self.rounds * 64 % 65536
        data = os.urandom(64 * 512)
        result = self.initiator.write(write10(lba, 64), data, lun=1)
        assert result.status == 0, result
        if self.rounds % 16 == 0:
            assert self.initiator.read(SYNCHRONIZE_CACHE, 0, lun=1).status == 0
        result = self.initiator.read(read10(lba, 64), len(data), lun=1)
        assert (result.status, result.data == data) == (0, True), result
        self.rounds += 1


@contextmanager
def under_load(site: Site, initiators: int) -> Iterator[list[Worker]]:
    workers = []
    for number in range(initiators):
        initiator = site.login(isid=0x80_00_00_02_00_00 + number, name=f"iqn.2026-11.org.test:load{number}")
        initiator.read(bytes(6), 0, lun=1)
        workers.append(Worker(initiator))
    for worker in workers:
        worker.start()
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stopping = True
        for worker in workers:
            worker.join(20)
            worker.initiator.close()
    assert [worker.trouble for worker in workers if worker.trouble] == []


def test_two_hundred_edits(site: Site) -> None:
    stable = site.target(site.lun(1, "64 MiB"))
    site.write(stable)
    site.start()
    sizes = iter(range(1, EDITS))
    with under_load(site, 1) as workers:
        before = {s["initiator"]: s["tsih"] for s in sessions(site)}
        for edit in range(EDITS):
            kind = edit % 5
            if kind == 0:
                site.write(other(site, f"{8 + next(sizes)} MiB"), "b.toml")
                expect(site, edit, "applied")
            elif kind == 1:
                site.write(other(site, f"{300 + next(sizes)} MiB"), "b.toml")
                expect(site, edit, "applied")
            elif kind == 2:
                text, line, cause = BREAKS[edit // 5 % len(BREAKS)]
                site.write(text, "c.toml")
                errors = "\n".join(expect(site, edit, "refused")["errors"])
                assert "c.toml" + line in errors, errors
                assert cause in errors, errors
            elif kind == 3:
                (site.targets / "c.toml").unlink()
                expect(site, edit, "nothing")
            else:
                (site.targets / "b.toml").unlink()
                (site.media / "other1.img").unlink()
                expect(site, edit, "applied")
            assert all(worker.is_alive() for worker in workers), [worker.trouble for worker in workers]
        assert {s["initiator"]: s["tsih"] for s in sessions(site)} == before
        assert min(worker.rounds for worker in workers) > EDITS / 4
    assert site.status()["counters"]["callback_failures"] == 0


def other(site: Site, size: str) -> str:
    """Another target on the same portal; its LUN grows from edit to edit."""
    medium = f'{{ type = "file", path = "{site.media}/other1.img", size = "{size}", create = true }}'
    return site.target(site.lun(1, medium=medium), name=OTHER)


def sessions(site: Site) -> list[dict[str, object]]:
    return [session for target in site.status()["targets"] for session in target["sessions"]]


def expect(site: Site, edit: int, result: str) -> dict[str, list[str]]:
    """Every tenth edit the daemon has to notice by itself; the others it is told of."""
    if edit % 10 < 8:
        answer = site.ask("reload")
        quicker = result == "applied" and answer["result"] == "nothing"  # the watcher was
        assert quicker or answer["result"] == result, (edit, answer)
        return answer
    assert eventually(lambda: site.status()["last_reload"]["result"] == result), (edit, result, site.status())
    last: dict[str, list[str]] = site.status()["last_reload"]
    return last


def test_initiators_hear_of_changes(site: Site) -> None:
    site.write(site.target(site.lun(1), site.lun(2)))
    site.start()
    with site.login() as initiator:
        for lun in (1, 2):
            initiator.read(bytes(6), 0, lun=lun)
        site.write(site.target(site.lun(1), site.lun(2), site.lun(3)))
        site.tgtctl("reload")
        assert initiator.read(bytes(6), 0, lun=1).asc == (6, 0x3F, 0x0E)
        assert initiator.read(bytes(6), 0, lun=2).asc == (6, 0x3F, 0x0E)
        site.write(site.target(site.lun(1, "80 MiB"), site.lun(2), site.lun(3)))
        site.tgtctl("reload")
        assert initiator.read(bytes(6), 0, lun=1).asc == (6, 0x2A, 0x09)
        assert initiator.read(bytes(6), 0, lun=2).status == 0
        capacity = initiator.read(bytes((0x25,)) + bytes(9), 8, lun=1)
        assert int.from_bytes(capacity.data[:4], "big") + 1 == 80 * 2048
        site.write(site.target(site.lun(1, "40 MiB"), site.lun(2), site.lun(3)))
        assert "allow_shrink" in site.tgtctl("reload", status=1)
        site.write(site.target(site.lun(1, "80 MiB", 'serial = "NEW"'), site.lun(3)))
        site.tgtctl("reload")
        heard = [initiator.read(bytes(6), 0, lun=1).asc for _ in range(2)]
        assert sorted(heard) == [(6, 0x3F, 0x03), (6, 0x3F, 0x0E)]
        assert initiator.read(bytes(6), 0, lun=2).asc == (5, 0x25, 0)


def test_a_missing_file_is_one_luns_trouble(site: Site) -> None:
    late = site.media / "late.img"
    medium = f'{{ type = "file", path = "{late}" }}'
    site.write(site.target(site.lun(1), site.lun(2, medium=medium)))
    site.start()
    assert "late.img" in site.tgtctl("status")
    with site.login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        assert initiator.read(bytes(6), 0, lun=1).status == 0
        initiator.read(bytes(6), 0, lun=2)
        assert initiator.read(bytes(6), 0, lun=2).asc[0] == 2
        late.write_bytes(bytes(1 << 20))
        assert eventually(lambda: initiator.read(bytes(6), 0, lun=2).status == 0)
        assert initiator.read(read10(0, 8), 4096, lun=2).data == bytes(4096)


def test_access_that_is_withdrawn_ends_the_session(site: Site) -> None:
    site.write(site.target(site.lun(1)))
    (site.targets.parent / "tgtd.toml").write_text("[reload]\nwatch = false\n")
    site.start()
    with site.login() as stays, site.login(name="iqn.2026-11.org.test:goes", isid=5) as goes:
        site.write(site.target(site.lun(1), access='initiators = ["iqn.2026-11.org.test:initiator"]'))
        plan = site.tgtctl("plan", status=2)
        assert "iqn.2026-11.org.test:goes" in plan
        site.tgtctl("reload")
        assert stays.read(bytes(6), 0, lun=1).asc == (6, 0x29, 0)
        assert goes.receive().opcode == 0x32
        with pytest.raises(ConnectionError):
            goes.receive()
