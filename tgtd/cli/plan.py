"""tgtctl plan: what a reload would do, and which live sessions that touches. Changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tgtd.cli.client import NotRunning, ask
from tgtd.cli.layout import columns, count


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "plan",
        parents=[common],
        help="say what a reload would do, and which live sessions it touches",
        description="Exit status: 0 nothing to do, 2 changes, 1 the configuration is wrong or tgtd is not running.",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """0: nothing to do. 2: changes. 1: the reload would be refused, or there is nothing to compare with."""
    try:
        answer = ask(arguments.run_directory, "plan")
    except NotRunning as trouble:
        raise NotRunning(f"{trouble}; to look at the files alone: tgtctl check") from None
    if arguments.json:
        print(json.dumps(answer, indent=2))
    else:
        _tell(answer)
    if answer["errors"]:
        return 1
    return 2 if answer["steps"] else 0


def _tell(answer: dict[str, Any]) -> None:
    if answer["errors"]:
        print("a reload would be refused:", file=sys.stderr)
        for error in answer["errors"]:
            print(f"  {error}", file=sys.stderr)
        return
    if not answer["steps"]:
        print("nothing to do")
        return
    print(f"a reload would make {count(len(answer['steps']), 'change')}:")
    for step in answer["steps"]:
        print(f"  {step['does']}")
        effects = [effect for effect in step["effects"] if effect != "none"]
        if effects:
            print(f"    initiators: {'; '.join(effects)}")
    sessions = answer["sessions"]
    if not sessions:
        print("no live session is touched")
        return
    print(f"{count(len(sessions), 'live session')} touched:")
    rows = ((s["initiator"], s["address"] or "-", s["target"], "; ".join(s["effects"])) for s in sessions)
    print(columns(rows, indent="  "))
