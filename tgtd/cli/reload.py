"""tgtctl reload: have the daemon read its configuration anew, and wait until that is done."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tgtd.cli.client import ask
from tgtd.cli.layout import count


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "reload",
        parents=[common],
        help="apply the configuration files, and say what came of it",
        description="Exit status: 0 applied or nothing to do, 1 refused (everything runs on as before).",
    )
    parser.add_argument("--json", action="store_true", help="print the daemon's answer as JSON")


def run(arguments: argparse.Namespace) -> int:
    """0: applied, or nothing to do. 1: refused."""
    answer = ask(arguments.run_directory, "reload", timeout=600.0)
    if arguments.json:
        print(json.dumps(answer, indent=2))
    else:
        _tell(answer)
    return 1 if answer["result"] == "refused" else 0


def _tell(answer: dict[str, Any]) -> None:
    if answer["result"] == "refused":
        print("refused; everything runs on as before:", file=sys.stderr)
        for error in answer["errors"]:
            print(f"  {error}", file=sys.stderr)
        return
    if answer["result"] == "nothing":
        print(f"nothing to do (generation {answer['generation']})")
        return
    print(f"applied {count(len(answer['steps']), 'change')} (generation {answer['generation']}):")
    for step in answer["steps"]:
        print(f"  {step}")
    for warning in answer["warnings"]:
        print(f"  note: {warning}")
