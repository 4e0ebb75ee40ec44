"""A backup program over a library: it changes the cartridge where one is full, and reads both back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guest.bacula import HOME, Bacula
from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_library import library
from tests.wire.conftest import Site


@pytest.fixture
def bacula(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> Iterator[Bacula]:
    site.write(library(site, "A00001L8", "A00002L8", drives=1))
    site.start()
    guest.run("modprobe st; modprobe ch")
    open_iscsi.login(site.port)
    tape = open_iscsi.device(1, "scsi_tape").replace("/st", "/nst")
    program = Bacula(guest, open_iscsi.generic(0), tape)
    yield program
    program.stop()


def test_backup_and_restore_over_two_cartridges(guest: Guest, bacula: Bacula) -> None:
    """16 MiB fit onto a cartridge, and there are 20. Which one is written first is Bacula's affair."""
    guest.run(f"for n in 1 2 3 4 5; do head -c 4M /dev/urandom >{HOME}/data/$n; done")
    said = bacula.tell("label storage=Library pool=Tapes drive=0 slots=1-2 barcodes", "yes")
    assert said.count("successfully created") == 2, said
    said = bacula.tell("run job=Save yes", "wait", "list volumes pool=Tapes")
    told = bacula.log()
    assert "Termination:            Backup OK" in told, told
    assert "End of medium on Volume" in told, told
    assert "Full" in said, said
    bacula.tell("restore client=fd select all done yes", "wait")
    told = bacula.log()
    assert "Termination:            Restore OK" in told, told
    guest.run(f"for n in 1 2 3 4 5; do cmp {HOME}/data/$n {HOME}/restored{HOME}/data/$n || exit 1; done")
