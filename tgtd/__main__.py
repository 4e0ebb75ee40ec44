"""tgtd, the daemon: arguments in, exit status out. 0 stopped when asked to; 1 could not start, the reason on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tgtd import __version__, log
from tgtd.config.problem import ConfigErrors
from tgtd.daemon import Daemon, Options
from tgtd.premises import CannotStart


def parser() -> argparse.ArgumentParser:
    """The command line of tgtd."""
    top = argparse.ArgumentParser(
        prog="tgtd",
        description="SCSI target daemon: serves disks, tapes and libraries. Stays in the foreground.",
        epilog="SIGTERM lets initiators log out, then ends it; SIGHUP reloads the configuration. See tgtctl --help.",
    )
    top.add_argument("--version", action="version", version=f"tgtd {__version__}")
    top.add_argument(
        "--config",
        type=Path,
        metavar="DIR",
        help="tgtd.toml and targets.d/ (default: /etc/tgtd with its vendor and runtime layers)",
    )
    top.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        default=Path("/var/lib/tgtd"),
        help="what the daemon remembers (default: %(default)s)",
    )
    top.add_argument(
        "--run",
        type=Path,
        metavar="DIR",
        default=Path("/run/tgtd"),
        help="where the control socket is (default: %(default)s)",
    )
    top.add_argument("--log-level", choices=log.LEVELS, help="instead of log.level of tgtd.toml")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon."""
    arguments = parser().parse_args(argv)
    log.set_up(arguments.log_level or "info")
    options = Options(arguments.config, arguments.state, arguments.run, arguments.log_level)
    try:
        return Daemon(options).run()
    except ConfigErrors as trouble:
        print("tgtd: cannot start, the configuration is wrong:", file=sys.stderr)
        for problem in trouble.problems:
            print(problem, file=sys.stderr)
    except CannotStart as trouble:
        print(f"tgtd: cannot start: {trouble}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
