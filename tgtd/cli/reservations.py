"""tgtctl reservations: who is registered with which LUN and what is reserved, and an end to it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tgtd.cli.client import Trouble, ask
from tgtd.cli.layout import columns


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "reservations",
        parents=[common],
        help="list reservations of LUNs, or clear them",
        description="Lists the LUNs with which initiators are registered, or which are reserved. "
        "With clear, ends the reservation and all registrations of one LUN: its initiators are told, and have to "
        "register anew. A cluster relies on them to keep a failed node off: clear them only when you know its state.",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("action", nargs="?", choices=["clear"], help="clear: end those of TARGET LUN")
    parser.add_argument("target", nargs="?", metavar="TARGET", help="the target's name")
    parser.add_argument("lun", nargs="?", type=int, metavar="LUN", help="the number of the LUN")
    parser.set_defaults(usage=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when they could not be cleared."""
    if arguments.action is not None:
        return _clear(arguments)
    answer = ask(arguments.run_directory, "reservations")
    if arguments.json:
        print(json.dumps(answer, indent=2))
    elif answer["reservations"]:
        print("\n".join(line for row in answer["reservations"] for line in lines(row)))
    else:
        print("no reservations")
    return 0


def _clear(arguments: argparse.Namespace) -> int:
    if arguments.lun is None:
        arguments.usage("clear wants to know the TARGET and the LUN")
    where = {"target": arguments.target, "lun": arguments.lun}
    answer = ask(arguments.run_directory, "clear-reservations", where)
    if not answer["cleared"]:
        raise Trouble("that could not be written to the state directory, so nothing changed; the daemon's log says why")
    if arguments.json:
        print(json.dumps(answer, indent=2))
    else:
        number = len(answer["before"]["registrations"])
        ended = f"{number} registration{'' if number == 1 else 's'} ended"
        print(f"{arguments.target} LUN {arguments.lun}: {ended}")
    return 0


def lines(row: Mapping[str, Any]) -> Iterator[str]:
    """A LUN, and below it who is registered."""
    what = row["type"] or "not reserved"
    if row["legacy"] is not None:
        what = f"RESERVE by {row['legacy']}"
    kept = ", kept through power loss" if row["persist_through_power_loss"] else ""
    yield f"{row['target']} LUN {row['lun']}: {what} (generation {row['generation']}{kept})"
    for held in row["elements"]:
        many = f"{held['count']} element{'' if held['count'] == 1 else 's'}"
        yield f"  RESERVE ELEMENT {held['identification']} by {held['port']}: {many}"
    if row["lost"] is not None:
        yield f"  LOST: {row['lost']}"
    if row["registrations"]:
        yield columns(table(row["registrations"]), indent="  ")


def table(registrations: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """A heading and a row for each registration."""
    yield "INITIATOR PORT", "TARGET PORT", "KEY", "HOLDS"
    for row in registrations:
        yield row["initiator"], str(row["port"]), row["key"], "yes" if row["holder"] else "-"
