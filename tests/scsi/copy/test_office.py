"""tgtd.scsi.copy.office: which units a copy may name."""

from __future__ import annotations

from tests.scsi.copy.copying import OTHER, SOURCE, Pair
from tgtd.media.ram import RamMedium
from tgtd.scsi.copy.office import CopyOffice, Designator, End
from tgtd.scsi.target import Target


class Two(Pair):
    """Another target beside the first, with a disk of its own at LUN 5."""

    def __init__(self) -> None:
        super().__init__()
        self.office = CopyOffice(lambda: (self.target, self.beside))
        self.beside = Target("iqn.2026-11.com.example:beside", self.placeholder, self.office)
        self.target.office = self.office
        self.third = self.another(5, RamMedium(1 << 20), target=self.beside)
        self.name = Designator(1, 3, self.third.identity.wwid)


def test_units_of_the_same_target() -> None:
    bench = Two()
    for wwid, disk in ((SOURCE, bench.first), (OTHER, bench.second)):
        end = bench.office.reach(bench.nexus, Designator(1, 3, wwid))
        assert end is not None
        assert end.disk is disk
    assert bench.office.reach(bench.nexus, Designator(1, 3, b"")) is None


def test_by_a_name_of_another_kind() -> None:
    bench = Two()
    name = b"TGTD    " + b"DISK            " + bench.first.identity.serial.encode()
    end = bench.office.reach(bench.nexus, Designator(2, 1, name))
    assert end is not None
    assert end.disk is bench.first


def test_units_of_another_target_need_a_session_that_proves_as_much() -> None:
    bench = Two()
    assert bench.office.reach(bench.nexus, bench.name) is None
    beside = bench.connect("a", target=bench.beside)
    assert bench.office.reach(bench.nexus, bench.name) is None, "nothing is proven"
    bench.nexus.credentials, beside.credentials = ("a", "10.0.0.1"), ("a", "10.0.0.2")
    assert bench.office.reach(bench.nexus, bench.name) is None, "another address"
    beside.credentials = ("a", "10.0.0.1")
    end = bench.office.reach(bench.nexus, bench.name)
    assert end is not None
    assert (end.disk, end.itl.nexus) == (bench.third, beside)
    assert end.present()
    bench.beside.disconnect(beside)
    assert not end.present()
    assert bench.office.reach(bench.nexus, bench.name) is None


def test_a_view_hides_units_there_too() -> None:
    bench = Two()
    beside = bench.connect("a", target=bench.beside)
    bench.nexus.credentials = beside.credentials = "a"
    bench.beside.set_view(beside, {0: 7})
    assert bench.office.reach(bench.nexus, bench.name) is None
    bench.beside.set_view(beside, {0: 5})
    end = bench.office.reach(bench.nexus, bench.name)
    assert end is not None
    assert end.itl.number == 0


def test_an_end_has_no_attentions_of_its_own() -> None:
    bench = Two()
    end = End(bench.nexus, bench.first, 0)
    assert end.itl.attentions == []
    assert end.itl not in bench.first.nexuses
