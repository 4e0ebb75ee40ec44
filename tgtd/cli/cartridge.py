"""Verbs of tgtctl medium for cartridges as files: made, looked at, filled and written out. They need no daemon."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from tgtd.cli.client import Trouble
from tgtd.cli.layout import columns, size
from tgtd.config.problem import Mistake
from tgtd.config.size import parse_size
from tgtd.media.cartridge import images, simh
from tgtd.media.cartridge.cartridge import MOST_CLEANINGS, Cartridge, Making
from tgtd.media.cartridge.generation import GENERATIONS, LARGER, by_barcode
from tgtd.media.cartridge.label import MOST_BARCODE
from tgtd.media.problem import MediumError


def add_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds create, show, import and export."""
    create = verbs.add_parser("create", help="make a blank cartridge", description="Makes a blank cartridge.")
    create.add_argument("kind", choices=["tape"], help="what is made")
    create.add_argument("file", type=Path, metavar="FILE", help="a name that is not taken")
    create.add_argument("--barcode", help="its label; by default the file's name without what follows its last dot")
    create.add_argument("--type", choices=["data", "worm", "clean"], help="by default what the barcode says, else data")
    create.add_argument(
        "--generation",
        type=int,
        choices=sorted(GENERATIONS),
        help="of LTO; by default what the barcode ends with (L8), else 8",
    )
    create.add_argument(
        "--density",
        type=lambda text: int(text, 0),
        metavar="CODE",
        help="instead of a generation: its density code, for a drive with formats of its own; needs --size",
    )
    create.add_argument("--size", help='such as "100 GB"; by default what such a cartridge has')
    create.set_defaults(carry_out=run)
    show = verbs.add_parser("show", help="tell what cartridges are", description="Tells what cartridges are.")
    show.add_argument("file", type=Path, nargs="+", metavar="FILE")
    show.add_argument("--json", action="store_true", help="print it as JSON")
    show.set_defaults(carry_out=run)
    for verb, text in (
        ("import", "append an image in SIMH's .tap format, one of tgt, or a cartridge of mhvtl (its directory)"),
        ("export", "write an image in SIMH's .tap format"),
    ):
        more = verbs.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}.")
        more.add_argument("file", type=Path, metavar="FILE", help="the cartridge")
        more.add_argument("image", type=Path, metavar="IMAGE", help="the image")
        more.add_argument("--partition", type=int, default=0, help="of the cartridge (default: 0)")
        more.set_defaults(carry_out=run)


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when one of several cartridges cannot be shown."""
    try:
        return _VERBS[arguments.verb](arguments)
    except MediumError as trouble:
        raise Trouble(str(trouble)) from trouble


def _create(arguments: argparse.Namespace) -> int:
    barcode = arguments.barcode or arguments.file.stem
    if not 0 < len(barcode) <= MOST_BARCODE or not barcode.isascii() or not barcode.isprintable():
        raise Trouble(f"a barcode has 1 to {MOST_BARCODE} printable ASCII characters; give another with --barcode")
    said = by_barcode(barcode)
    generation = GENERATIONS[arguments.generation] if arguments.generation else said[0] if said else GENERATIONS[8]
    kind = arguments.type or (said[1] if said else "data")
    try:
        capacity = parse_size(arguments.size) if arguments.size else generation.capacity
    except Mistake as mistake:
        raise Trouble(f"--size: {mistake}; {mistake.fix}") from mistake
    density = generation.density if arguments.density is None else arguments.density
    if arguments.density is not None and (arguments.generation or not arguments.size or not 0 < density < 255):
        raise Trouble("--density is a code from 1 to 254, goes with --size, and not with --generation")
    if capacity < 1 << 20:
        raise Trouble("--size: a cartridge has 1 MiB or more")
    Cartridge.create(str(arguments.file), Making(barcode, capacity, kind, density)).close()
    print(f"{arguments.file}: {kind} cartridge {barcode}, {_format(density)}, {size(capacity)}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    rows = [describe(path) for path in arguments.file]
    if arguments.json:
        print(json.dumps({"version": 1, "cartridges": rows}, indent=2))
    else:
        print("\n".join(_lines(row) for row in rows))
    return int(any("error" in row for row in rows))


def describe(path: Path) -> dict[str, Any]:
    """What a cartridge is and holds, or why that cannot be told."""
    try:
        cartridge = Cartridge.open(str(path), writable=False)
    except MediumError as trouble:
        return {"file": str(path), "error": str(trouble)}
    try:
        return {
            "file": str(path),
            "barcode": cartridge.barcode,
            "type": cartridge.kind,
            "density": cartridge.density,
            "capacity": cartridge.capacity,
            "made": time.strftime("%Y-%m-%d", time.gmtime(cartridge.label.made)),
            "loads": cartridge.loads,
            "write_protected": cartridge.label.protected,
            "encrypted": cartridge.encrypted,
            "partitions": [
                {
                    "capacity": partition.capacity,
                    "used": partition.end,
                    "blocks": partition.objects - partition.filemarks,
                    "filemarks": partition.filemarks,
                    "lost": partition.lost,
                }
                for partition in cartridge.partitions
            ],
        }
    finally:
        cartridge.close()


def _lines(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"{row['file']}: {row['error']}"
    kind = _format(row["density"])
    head = f"{row['file']}: {row['type']} cartridge {row['barcode']}, {kind}, {size(row['capacity'])}"
    head += ", with encrypted blocks" if row["encrypted"] else ""
    if row["type"] == "clean":
        return f"{head}, used {row['loads']} of {MOST_CLEANINGS} times"
    table = [("PARTITION", "SIZE", "USED", "BLOCKS", "FILEMARKS")]
    for index, one in enumerate(row["partitions"]):
        lost = f", {one['lost']} lost" if one["lost"] else ""
        table.append(
            (str(index), size(one["capacity"]), size(one["used"]), f"{one['blocks']}{lost}", str(one["filemarks"]))
        )
    return head + "\n" + columns(table, indent="  ")


def _format(density: int) -> str:
    name = next((one.name for one in (*GENERATIONS.values(), LARGER) if one.density == density), None)
    if name:
        return name
    return f"density {density:02X}h" if density else "for any drive"


def _import(arguments: argparse.Namespace) -> int:
    cartridge = Cartridge.open(str(arguments.file))
    try:
        partition = cartridge.partitions[_partition(cartridge, arguments.partition)]
        if cartridge.kind == "clean":
            raise Trouble(f"{arguments.file} is a cleaning cartridge, which holds no data; name another one")
        if not cartridge.writable:
            raise Trouble(f"{arguments.file} is write-protected; name another one")
        if partition.lost:
            lost = f"blocks and filemarks of {arguments.file} are lost ({partition.lost}), and might be overwritten"
            raise Trouble(f"{lost}; restore the file from a backup, or name another one")
        images.fill(partition, images.records(arguments.image, arguments.partition))
    finally:
        cartridge.close()
    return 0


def _export(arguments: argparse.Namespace) -> int:
    cartridge = Cartridge.open(str(arguments.file), writable=False)
    try:
        partition = cartridge.partitions[_partition(cartridge, arguments.partition)]
        with arguments.image.open("xb") as image:
            simh.write_out(partition, image)
    finally:
        cartridge.close()
    return 0


def _partition(cartridge: Cartridge, number: int) -> int:
    if not 0 <= number < len(cartridge.partitions):
        raise Trouble(f"the cartridge has partitions 0 to {len(cartridge.partitions) - 1}")
    return number


_VERBS = {"create": _create, "show": _show, "import": _import, "export": _export}
