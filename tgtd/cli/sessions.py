"""tgtctl sessions: who is logged in."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

from tgtd.cli.client import ask
from tgtd.cli.layout import columns, duration, size


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser("sessions", parents=[common], help="list who is logged in")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Always 0."""
    answer = ask(arguments.run_directory, "sessions")
    if arguments.json:
        print(json.dumps(answer, indent=2))
    elif answer["sessions"]:
        print(columns(table(answer["sessions"])))
    else:
        print("no sessions")
    return 0


def table(sessions: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """A heading and a row for each session."""
    yield "INITIATOR", "ADDRESSES", "TARGET", "AGE", "TASKS", "READ", "WRITTEN"
    for row in sessions:
        yield (
            row["initiator"],
            ",".join(row["addresses"]) or "-",
            row["target"] or "(discovery)",
            duration(time.time() - row["since"]),
            str(row["tasks"]),
            size(row["bytes_read"]),
            size(row["bytes_written"]),
        )
