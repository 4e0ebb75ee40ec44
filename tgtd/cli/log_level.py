"""tgtctl log-level: show or change how much the running daemon logs, until its next start or change of log.level."""

from __future__ import annotations

import argparse

from tgtd.cli.client import ask


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser("log-level", parents=[common], help="show or change how much the running daemon logs")
    parser.add_argument("level", nargs="?", choices=("debug", "info", "warning", "error"))


def run(arguments: argparse.Namespace) -> int:
    """Always 0; prints the level that now holds."""
    request = {} if arguments.level is None else {"level": arguments.level}
    print(ask(arguments.run_directory, "log-level", request)["level"])
    return 0
