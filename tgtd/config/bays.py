"""What must hold between a library and the drives that it serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tgtd.config.build import Placed
from tgtd.config.model import Library, Lun
from tgtd.config.positions import Path
from tgtd.config.problem import Problem


def served(targets: Sequence[Placed]) -> Iterator[Problem]:
    """Drives of libraries: each a tape drive that there is, with nothing in it, and in one library."""
    known = {placed.target.name: placed for placed in targets}
    owner: dict[tuple[str, int], Lun] = {}
    for placed in targets:
        for path, lun in placed.luns:
            if lun.library is not None:
                yield from _served(placed, path, lun, lun.library, known, owner)


def _served(
    placed: Placed,
    path: Path,
    lun: Lun,
    library: Library,
    known: Mapping[str, Placed],
    owner: dict[tuple[str, int], Lun],
) -> Iterator[Problem]:
    """owner: which library has which drive, so far."""
    inner = sum(drive.target is None for drive in library.drives)
    for index, drive in enumerate(library.drives):
        where = ("drives", index) if drive.target is None else ("other_drives", index - inner)
        place = (*path, "library", *where)
        name = drive.target or placed.target.name
        home = known.get(name)
        if home is None or drive.target == placed.target.name:
            yield placed.document.problem(
                (*place, "target"),
                f'there is no target "{name}"' if home is None else "this is the target itself",
                "name another target that there is" if home is None else f"write it to drives: drives = [{drive.lun}]",
            )
            continue
        found = home.target.luns.get(drive.lun)
        holder = owner.setdefault((name, drive.lun), lun)
        if found is None or found.device != "tape":
            what = "no lun" if found is None else f"a {found.device} as lun"
            yield placed.document.problem(
                place,
                f"{'the target' if drive.target is None else name} has {what} {drive.lun}",
                'name luns that have device = "tape"',
            )
        elif found.medium.path is not None:
            yield placed.document.problem(
                place,
                f"lun {drive.lun}, at {found.origin}, has a cartridge of its own",
                'make it an empty drive: medium = { type = "tape" }',
            )
        elif holder is not lun:
            yield placed.document.problem(
                place,
                f"lun {drive.lun} is a drive of lun {holder.number} already, at {holder.origin}",
                "give each library drives of its own",
            )
