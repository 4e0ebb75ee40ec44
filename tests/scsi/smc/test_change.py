"""A change step by step: each ends before the next begins (test_moves.py has the commands)."""

from __future__ import annotations

from tests.scsi.smc.library import Library


def test_out_remembered_in(library: Library) -> None:
    library.good(library.move(1000, 500))
    for bay in library.bays.values():
        bay.slow = True
    kept = len(library.keeper.kept)
    library.start(library.move(500, 501))
    assert library.bays[500].said[-1] == "release"
    assert (len(library.keeper.kept), library.bays[501].said) == (kept, [])
    library.bays[500].waiting.pop()(None)
    assert len(library.keeper.kept) == kept + 1
    assert library.bays[501].said == ["accept A00000L8"]
    library.bays[501].waiting.pop()(None)
    assert len(library.done) == 2


def test_a_drive_that_cannot_give_after_all(library: Library) -> None:
    library.good(library.move(1000, 500))
    library.bays[500].slow = True
    task = library.start(library.move(500, 1000))
    library.bays[500].waiting.pop()(OSError(5, "stuck"))
    assert task.status == 2
    assert library.holds()[500] == "A00000L8"
    library.bays[500].slow = False
    library.good(library.move(500, 1000))
