"""tgtctl: one file per sub-command, each with add_parser(commands, common) and run(arguments) -> exit status.

add_parser makes its parser with parents=[common], which gives it --config (Path or None), --state (Path) and --run
(Path; arguments.run_directory).

Sub-commands that concern the running daemon ask it through its control socket (tgtd.cli.client).
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from tgtd import __version__
from tgtd.cli.client import Trouble

COMMANDS = (
    "status",
    "sessions",
    "reservations",
    "fault",
    "medium",
    "library",
    "fabric",
    "check",
    "plan",
    "reload",
    "cat-config",
    "log-level",
    "stop",
)


def command(name: str) -> ModuleType:
    """The module of one of COMMANDS. Only what is asked for is imported: most of tgtctl's time would go there."""
    return import_module(f"{__name__}.{name.replace('-', '_')}")


def directories(suppress: bool = False) -> argparse.ArgumentParser:
    """The options that say which daemon is meant; suppress: leave unset what is not given."""
    options = argparse.ArgumentParser(add_help=False)

    def add(option: str, name: str, default: Path | None, text: str) -> None:
        preset = argparse.SUPPRESS if suppress else default
        options.add_argument(option, dest=name, type=Path, metavar="DIR", default=preset, help=text)

    add("--config", "config", None, "tgtd.toml and targets.d/ (default: /etc/tgtd with its vendor and runtime layers)")
    add("--state", "state", Path("/var/lib/tgtd"), "what the daemon remembers (default: /var/lib/tgtd)")
    add("--run", "run_directory", Path("/run/tgtd"), "where the control socket is (default: /run/tgtd)")
    return options


def parser(names: Iterable[str] = COMMANDS) -> argparse.ArgumentParser:
    """The command line; the options for directories may stand before or after the sub-command, one of these names."""
    top = argparse.ArgumentParser(prog="tgtctl", description="Look after tgtd.", parents=[directories()])
    top.add_argument("--version", action="version", version=f"tgtctl {__version__}")
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    common = directories(suppress=True)
    for name in names:
        command(name).add_parser(commands, common)
    return top


def _asked(words: Iterable[str]) -> str:
    """The first word that is neither an option nor the directory behind one; "": there is none."""
    left = iter(words)
    for word in left:
        if not word.startswith("-"):
            return word
        if "=" not in word:
            next(left, None)
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run tgtctl; returns its exit status. Trouble is told in one line, never by a traceback."""
    words = sys.argv[1:] if argv is None else argv
    name = _asked(words)
    arguments = parser((name,) if name in COMMANDS else COMMANDS).parse_args(words)
    try:
        status = int(command(arguments.command).run(arguments))
        sys.stdout.flush()
        return status
    except Trouble as trouble:
        print(f"tgtctl: {trouble}", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read our output has seen enough; without this the interpreter would complain about it at exit.
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.close()
    except OSError as trouble:
        print(f"tgtctl: {trouble.filename or 'cannot do that'}: {trouble.strerror or trouble}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    except Exception as fault:
        print(f"tgtctl: internal error ({type(fault).__name__}: {fault}); please report it", file=sys.stderr)
    return 1
