"""tgtctl medium: media that go into and out of drives, as a hand would do it; and cartridges (cartridge.py)."""

from __future__ import annotations

import argparse

from tgtd.cli import cartridge
from tgtd.cli.client import ask


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Adds medium and its verbs."""
    parser = commands.add_parser(
        "medium",
        parents=[common],
        help="eject or load the medium of a removable LUN; make tape cartridges, and look at them",
        description="Media in drives, and cartridges as files.",
    )
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)
    for verb in ("eject", "load"):
        one = verbs.add_parser(
            verb,
            parents=[common],
            help=f"{verb} the medium of a removable LUN",
            description="Initiators are told that there is no medium, or that it may have changed. The configuration "
            "stays as it is, and what was ejected is back after a restart.",
        )
        one.add_argument("target", metavar="TARGET", help="the target's name")
        one.add_argument("lun", type=int, metavar="LUN", help="the number of the LUN")
        one.add_argument("--force", action="store_true", help="eject although initiators use it and prevent that")
        one.set_defaults(carry_out=_move)
    cartridge.add_verbs(verbs)


def run(arguments: argparse.Namespace) -> int:
    """What the verb says."""
    return int(arguments.carry_out(arguments))


def _move(arguments: argparse.Namespace) -> int:
    wish = {"what": arguments.verb, "target": arguments.target, "lun": arguments.lun, "force": arguments.force}
    ask(arguments.run_directory, "medium", wish)
    print(f"{arguments.target} LUN {arguments.lun}: {'ejected' if arguments.verb == 'eject' else 'loaded'}")
    return 0
