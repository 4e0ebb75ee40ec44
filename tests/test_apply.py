"""Plans carried out on a real tree, all of them or nothing: failure changes nothing, and waiting has its bounds."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import free_port
from tests.inside import IQN, Inside, attached, inside
from tgtd import apply
from tgtd.media.file import FileMedium
from tgtd.media.options import OpenOptions
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sense import CAPACITY_DATA_CHANGED
from tgtd.stepping import Stepping
from tgtd.units import UnitState

MIB = 1 << 20


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        yield it


def test_the_first_configuration(site: Inside) -> None:
    site.write(site.lun(1), site.lun(2, "2 MiB"))
    assert site.start().errors == ()
    assert site.state(1) == (UnitState.ONLINE, MIB, None)
    assert site.state(2) == (UnitState.ONLINE, 2 * MIB, None)
    assert list(site.service.portals) == [("127.0.0.1", site.port)]
    assert site.health.generation == 1


@pytest.mark.parametrize("declared", [True, False])
def test_shrinking_is_refused_unless_allowed(site: Inside, declared: bool) -> None:
    """Also where the size becomes declared only now, so that the running size decides."""
    (site.media / "1.img").write_bytes(bytes(3 * MIB))
    site.write(site.lun(1, "3 MiB" if declared else None))
    site.start()
    itl = attached(site.nexus(), 1)
    site.write(site.lun(1, "2 MiB"))
    refused = site.reload()
    assert refused.result == "refused"
    assert "a.toml" in refused.errors[0]
    assert "allow_shrink" in refused.errors[0]
    assert (site.unit(1).size, itl.attentions, site.health.generation) == (3 * MIB, [], 1)
    site.write(site.lun(1, "2 MiB", "allow_shrink = true"))
    assert site.reload().result == "applied"
    site.turn_until(lambda: itl.attentions == [CAPACITY_DATA_CHANGED])
    assert site.unit(1).size == 2 * MIB
    assert (site.media / "1.img").stat().st_size == 3 * MIB


def test_a_missing_file_does_not_stop_the_rest(site: Inside) -> None:
    site.write(site.lun(1), site.lun(2, None))
    assert site.start().errors == ()
    assert site.state(1)[0] is UnitState.ONLINE
    where, _, cause = site.state(2)
    assert where is UnitState.PENDING
    assert "does not exist" in (cause or "")
    site.write(site.lun(1), site.lun(2, None), site.lun(3, None))
    assert any(
        "a.toml:" in warning and "LUN 3: " in warning and "does not exist" in warning
        for warning in site.reload().warnings
    )
    (site.media / "2.img").write_bytes(bytes(MIB))
    site.retry()
    site.turn_until(lambda: site.state(2) == (UnitState.ONLINE, MIB, None))


def test_a_portal_that_cannot_be_had_refuses_all_and_is_undone(site: Inside) -> None:
    site.write(site.lun(1))
    site.start()
    good = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        portals = ", ".join(f'"127.0.0.1:{p}"' for p in sorted((good, port)))
        site.write(site.lun(1), site.lun(2), head=f"portals = [{portals}]")
        refused = site.reload()
    assert refused.result == "refused"
    assert f"127.0.0.1:{port}" in refused.errors[0]
    assert "another program" in refused.errors[0]
    assert f'a.toml:1:1: target "{IQN}": portals: cannot listen on' in refused.errors[0]
    assert list(site.service.portals) == [("127.0.0.1", site.port)]
    assert sorted(site.tree.targets[IQN].units) == [1]
    assert not (site.media / "2.img").exists()
    assert site.reload().result == "applied"
    assert sorted(port for _, port in site.service.portals) == sorted((good, port))


def test_a_clashing_listener_comes_back_when_its_successor_fails(site: Inside) -> None:
    site.write(site.lun(1), head=f'portals = ["0.0.0.0:{site.port}"]')
    site.start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = taken.getsockname()[1]
        site.write(site.lun(1), head=f'portals = ["127.0.0.1:{site.port}", "127.0.0.1:{other}"]')
        assert site.reload().result == "refused"
    assert list(site.service.portals) == [("0.0.0.0", site.port)]
    socket.create_connection(("127.0.0.1", site.port), timeout=5).close()
    site.reload()
    assert sorted(site.service.portals) == sorted([("127.0.0.1", site.port), ("127.0.0.1", other)])


def test_an_untouched_target_is_left_alone(site: Inside) -> None:
    site.write(site.lun(1))
    site.write(site.lun(2), name="iqn.2026-11.org.test:b", file="b.toml")
    site.start()
    other = site.tree.targets["iqn.2026-11.org.test:b"]
    itl = attached(site.nexus(name="iqn.2026-11.org.test:b"), 2)
    iscsi, unit, portal = (
        site.service.targets[other.wish.name],
        other.units[2],
        site.service.portals["127.0.0.1", site.port],
    )
    site.write(site.lun(1, "9 MiB"), site.lun(7), access='initiators = ["iqn.only:*"]')
    assert site.reload().result == "applied"
    assert (site.service.targets[other.wish.name], other.units[2], itl.attentions) == (iscsi, unit, [])
    assert site.service.portals["127.0.0.1", site.port] is portal


def test_a_medium_that_hangs_does_not_hold_up_the_reload(site: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "PATIENCE", 0.1)
    gate = threading.Event()

    def slow(path: str | None, options: OpenOptions) -> BlockMedium:
        if path is not None and path.endswith("2.img"):
            gate.wait(20)
        return FileMedium.open(path, options)

    site.openers["file"] = slow
    site.write(site.lun(1))
    site.start()
    site.write(site.lun(1), site.lun(2), site.lun(3))
    try:
        assert site.reload().result == "applied"
        assert site.state(3)[0] is UnitState.ONLINE
        assert site.state(2)[0] is UnitState.PENDING
    finally:
        gate.set()
    site.turn_until(lambda: site.state(2) == (UnitState.ONLINE, MIB, None))


def test_a_fault_of_ours_takes_everything_back(site: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step fails unexpectedly: what was done before it is undone, listeners included."""
    site.write(site.lun(1), site.lun(2), site.lun(3))
    site.start()
    extra = free_port()

    def fail(self: object, step: object) -> None:
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(Stepping, "_add_target", fail)
        portals = f'portals = ["127.0.0.1:{site.port}", "127.0.0.1:{extra}"]'
        site.write(
            site.lun(1, "4 MiB"), site.lun(3, more="read_only = true"), site.lun(4), head=f'alias = "x"\n{portals}'
        )
        site.write(name="iqn.2026-11.org.test:b", file="b.toml")
        refused = site.reload()
    assert refused.result == "refused"
    assert "internal error" in refused.errors[0]
    live = site.tree.targets[IQN]
    assert sorted(live.units) == sorted(live.scsi.luns) == [1, 2, 3]
    assert site.service.targets[live.wish.name].alias == ""
    assert live.units[3].device.write_protected is None
    assert list(site.service.portals) == [("127.0.0.1", site.port)]
    site.retry()
    site.turn_until(lambda: all(site.unit(n).state is UnitState.ONLINE for n in (1, 2, 3)))
    site.turn_until(lambda: site.unit(1).size == MIB)
    assert site.reload().result == "applied"
    assert sorted(site.tree.targets[IQN].units) == [1, 3, 4]
