"""tgtctl fault: have a medium hang, or go on, to see what initiators make of it."""

from __future__ import annotations

import argparse

from tgtd.cli.client import ask


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "fault",
        parents=[common],
        help="have the medium of a LUN hang, or go on",
        description="For tests: a LUN whose medium has a filter of type stalled answers no more, as if its storage had "
        "hung, until release. What waits meanwhile is carried out then.",
    )
    parser.add_argument("what", choices=["hang", "release"], help="hang: no answers from now on; release: go on")
    parser.add_argument("target", metavar="TARGET", help="the target's name")
    parser.add_argument("lun", type=int, metavar="LUN", help="the number of the LUN")


def run(arguments: argparse.Namespace) -> int:
    """0 when the medium does as it is told."""
    wish = {"what": arguments.what, "target": arguments.target, "lun": arguments.lun}
    answer = ask(arguments.run_directory, "fault", wish)
    print(f"{arguments.target} LUN {arguments.lun} {'hangs' if answer['hanging'] else 'goes on'}")
    return 0
