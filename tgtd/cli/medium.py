"""tgtctl medium: take a removable medium out, or put it back in, as a hand at the drive would."""

from __future__ import annotations

import argparse

from tgtd.cli.client import ask


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "medium",
        parents=[common],
        help="eject the medium of a removable LUN, or load it",
        description="Initiators are told that there is no medium, or that it may have changed. The configuration stays "
        "as it is, and what was ejected is back after a restart.",
    )
    parser.add_argument("what", choices=["eject", "load"])
    parser.add_argument("target", metavar="TARGET", help="the target's name")
    parser.add_argument("lun", type=int, metavar="LUN", help="the number of the LUN")
    parser.add_argument("--force", action="store_true", help="eject although initiators use it and prevent that")


def run(arguments: argparse.Namespace) -> int:
    """0 when it is done."""
    wish = {"what": arguments.what, "target": arguments.target, "lun": arguments.lun, "force": arguments.force}
    ask(arguments.run_directory, "medium", wish)
    print(f"{arguments.target} LUN {arguments.lun}: {'ejected' if arguments.what == 'eject' else 'loaded'}")
    return 0
