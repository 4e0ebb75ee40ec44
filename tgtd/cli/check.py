"""tgtctl check: whether a configuration can be used. Needs no daemon, no root, no devices and no secrets."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from tgtd.config.layers import Layers, unreadable
from tgtd.config.load import Loader
from tgtd.config.model import Config
from tgtd.config.problem import ERROR, WARNING, ConfigErrors, Problem, printable
from tgtd.media.cartridge.survey import readable, trouble
from tgtd.media.library import LibraryMedium


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Adds check."""
    parser = commands.add_parser(
        "check",
        parents=[common],
        help="look for mistakes in the configuration",
        description="Look for mistakes in the configuration: all of all files, each with its place and its cure. Exit "
        "status: 0 it can be used, 1 it cannot.",
    )
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="a directory with tgtd.toml and targets.d, one with target files, or one file (default: see --config)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")


def run(arguments: argparse.Namespace) -> int:
    """0: it can be used. 1: it cannot."""
    config, problems = examine(arguments.path or arguments.config)
    bad = any(problem.severity == ERROR or arguments.strict for problem in problems)
    counts = _counts(config)
    if arguments.json:
        rows = [problem.as_dict() for problem in problems]
        print(json.dumps({"version": 1, "ok": not bad, **counts, "problems": rows}, indent=2))
        return int(bad)
    for problem in problems:
        print(problem)
    if bad:
        total = len(problems)
        print(f"{total} problem{'' if total == 1 else 's'} found")
    else:
        print("ok: " + ", ".join(f"{count} {name[:-1] if count == 1 else name}" for name, count in counts.items()))
    return int(bad)


def examine(path: Path | None) -> tuple[Config | None, tuple[Problem, ...]]:
    """The configuration at a path (None: the installed one), if it can be used, with all there is to say about it."""
    try:
        layers = Layers.system() if path is None else Layers.at(path)
        config = Loader(layers, secrets=False).load()
    except FileNotFoundError:
        fix = "name a directory that holds tgtd.toml or targets.d, or one file"
        return None, (Problem(printable(path or ""), 0, 0, "", "", "does not exist", fix),)
    except OSError as error:
        return None, (unreadable(path or "/etc/tgtd", error),)
    except ConfigErrors as errors:
        return None, errors.problems
    if config.files:
        return config, (*config.warnings, *_shelves(config), *_cartridges(config))
    where = printable(path) if path else "/etc/tgtd"
    fix = "put tgtd.toml or targets.d/*.toml there"
    return config, (Problem(where, 0, 0, "", "", "no configuration file found", fix, WARNING),)


def _shelves(config: Config) -> Iterator[Problem]:
    """Warnings for cartridges of libraries that are missing or damaged, as far as whoever asks may see them."""
    for target in config.targets.values():
        for lun in target.luns.values():
            path, library = lun.medium.path, lun.library
            if library is None or path is None:
                continue
            try:
                found = LibraryMedium.open(path).look(()).present
            except OSError:
                continue
            wished = () if library.create or library.cartridges is None else library.cartridges
            missing = {barcode: "is missing" for barcode in wished if barcode not in found}
            damaged = {barcode: f"cannot be used: {why}" for barcode, why in found.items() if why is not None}
            for barcode, what in {**missing, **damaged}.items():
                yield Problem(
                    lun.origin.file,
                    lun.origin.line,
                    lun.origin.column,
                    f'target "{target.name}" lun {lun.number}',
                    "library.cartridges",
                    f"cartridge {barcode} {what}",
                    f"restore {path}/{barcode}.tape, or make a new one with tgtctl medium create tape",
                    WARNING,
                )


def _cartridges(config: Config) -> Iterator[Problem]:
    """Warnings for what drives cannot use of the cartridges that are in them from the beginning."""
    for target in config.targets.values():
        for lun in target.luns.values():
            path = lun.medium.path
            if lun.device != "tape" or path is None:
                continue
            reads = frozenset(one.code for one in lun.formats) or readable(lun.personality)
            what = trouble(path, None, reads, lun.medium.create)
            if what is not None:
                yield Problem(
                    lun.origin.file,
                    lun.origin.line,
                    lun.origin.column,
                    f'target "{target.name}" lun {lun.number}',
                    "medium.path",
                    f"cartridge {path} cannot be used: {what}",
                    "name another cartridge, restore this one, or make a new one with tgtctl medium create tape",
                    WARNING,
                )


def _counts(config: Config | None) -> dict[str, int]:
    if config is None:
        return {}
    luns = sum(len(target.luns) + len(target.shared) for target in config.targets.values())
    return {"files": len(config.files), "targets": len(config.targets), "luns": luns}
