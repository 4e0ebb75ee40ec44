"""tgtctl library: what is where in a tape library, and what its operator does by hand."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from tgtd.cli.client import Trouble, ask
from tgtd.cli.layout import columns

_DRIVE = "the LUN of the drive; TARGET/LUN for one of another target"

_VERBS: tuple[tuple[str, str, tuple[tuple[str, type, str], ...]], ...] = (
    ("show", "what is where", ()),
    (
        "move",
        "move a cartridge from one element to another",
        (("SOURCE", int, "address of the element that it is in"), ("DESTINATION", int, "address of a free element")),
    ),
    (
        "load",
        "put a cartridge into a drive",
        (("BARCODE", str, "of the cartridge"), ("DRIVE", str, _DRIVE)),
    ),
    ("unload", "take a cartridge out of a drive, back to its slot", (("DRIVE", str, _DRIVE),)),
    (
        "import",
        "take a cartridge of the directory in: an import/export element, or a free slot",
        (("BARCODE", str, "of the cartridge"),),
    ),
    (
        "export",
        "take a cartridge out of the library; its file stays where it is",
        (("BARCODE", str, "of the cartridge"),),
    ),
)
"""Verb, what it does, and what it has to be told after the library's TARGET and LUN."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "library",
        parents=[common],
        help="show a tape library, and move cartridges in it",
        description="What the operator of a tape library does by hand. Initiators are told that it was opened. Where "
        "cartridges are is remembered; the configuration only says which there are.",
    )
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)
    for verb, help_text, words in _VERBS:
        one = verbs.add_parser(verb, parents=[common], help=help_text)
        one.add_argument("target", metavar="TARGET", help="the target's name")
        one.add_argument("lun", type=int, metavar="LUN", help="the number of the changer's LUN")
        for word, kind, meaning in words:
            one.add_argument(word.lower(), type=kind, metavar=word, help=meaning)
        one.set_defaults(words=[word.lower() for word, *_ in words])
        if verb == "show":
            one.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """0, or an error that says why it was not done."""
    words = [getattr(arguments, name) for name in arguments.words]
    where = {"target": arguments.target, "lun": arguments.lun}
    answer = ask(arguments.run_directory, "library", {**where, "what": arguments.verb, "words": words})
    if arguments.verb != "show":
        if not answer["done"]:
            raise Trouble(f"{arguments.target} LUN {arguments.lun}: {answer['cause']}")
        print(f"{arguments.target} LUN {arguments.lun}: done")
    elif arguments.json:
        print(json.dumps(answer, indent=2))
    else:
        print(columns(table(answer["elements"])))
        if answer["homeless"]:
            print(f"no free slot for: {', '.join(answer['homeless'])}")
    return 0


def table(elements: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """A heading and a row for each element; empty slots are left out."""
    yield "ADDRESS", "ELEMENT", "CARTRIDGE", "FROM", "TROUBLE"
    for row in elements:
        if row["kind"] == "slot" and row["barcode"] is None:
            continue
        kind = row["kind"] if row["lun"] is None else f"drive (LUN {_where(row)})"
        source = "hand" if row["imported"] else str(row["source"] or "-")
        yield str(row["address"]), kind, row["barcode"] or "-", source, row["trouble"] or "-"


def _where(drive: dict[str, Any]) -> str:
    return str(drive["lun"]) if drive["target"] is None else f"{drive['target']}/{drive['lun']}"
