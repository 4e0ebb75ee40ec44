"""tgtctl stop: have the daemon drain and end, as SIGTERM does."""

from __future__ import annotations

import argparse

from tgtd.cli.client import ask


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    commands.add_parser(
        "stop",
        parents=[common],
        help="let initiators log out, finish commands, flush, and end the daemon",
        description="Returns when the daemon has begun to stop; it takes at most stop_timeout.",
    )


def run(arguments: argparse.Namespace) -> int:
    """Always 0."""
    answer = ask(arguments.run_directory, "stop")
    print(f"stopping (process {answer['pid']}, at most {answer['timeout']:g} s)")
    return 0
