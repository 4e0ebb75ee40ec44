"""tgtctl check: whether a configuration can be used. Needs no daemon, no root, no devices and no secrets."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tgtd.config.layers import Layers, unreadable
from tgtd.config.load import Loader
from tgtd.config.model import Config, Lun
from tgtd.config.problem import ERROR, WARNING, ConfigErrors, Problem, printable
from tgtd.media.cartridge.survey import readable, trouble
from tgtd.media.library import LibraryMedium, whereabouts

_MOST_NAMED = 3


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
        holdings = list(_holdings(config))
        return config, (
            *config.warnings,
            *_shelves(holdings),
            *_repeated(config, holdings),
            *_cartridges(config),
        )
    where = printable(path) if path else "/etc/tgtd"
    fix = "put tgtd.toml or targets.d/*.toml there"
    return config, (Problem(where, 0, 0, "", "", "no configuration file found", fix, WARNING),)


class _Holding(NamedTuple):
    """A library that can be looked into. present: barcodes, each with what is wrong with its cartridge."""

    target: str
    lun: Lun
    directory: str
    present: Mapping[str, str | None]

    def file(self, barcode: str) -> str:
        return f"{self.directory.rstrip('/')}/{barcode}.tape"

    def problem(self, message: str, fix: str, severity: str = WARNING) -> Problem:
        return _problem(self.target, self.lun, "library.cartridges", message, fix, severity)


def _holdings(config: Config) -> Iterator[_Holding]:
    """The libraries, as far as whoever asks may see their cartridges."""
    for target in config.targets.values():
        for lun in target.luns.values():
            path = lun.medium.path
            if lun.library is not None and path is not None:
                with contextlib.suppress(OSError):
                    yield _Holding(target.name, lun, path, LibraryMedium.open(path).look(()).present)


def _shelves(holdings: Iterable[_Holding]) -> Iterator[Problem]:
    """Warnings for cartridges of libraries that are missing or damaged."""
    for holding in holdings:
        library = holding.lun.library
        assert library is not None
        wished = () if library.create or library.cartridges is None else library.cartridges
        missing = {barcode: "is missing" for barcode in wished if barcode not in holding.present}
        damaged = {barcode: f"cannot be used: {why}" for barcode, why in holding.present.items() if why is not None}
        for barcode, what in {**missing, **damaged}.items():
            yield holding.problem(
                f"cartridge {barcode} {what}",
                f"restore {holding.file(barcode)}, or make a new one with tgtctl medium create tape",
            )


def _repeated(config: Config, holdings: Sequence[_Holding]) -> Iterator[Problem]:
    """One file in two places is an error: only one of them can have it in a drive, and both would count on it. One
    barcode in two libraries is a warning: each is whole by itself, but whoever uses both takes one for the other."""
    files: dict[tuple[int, int], tuple[str, str]] = {}
    for target in config.targets.values():
        for lun in target.luns.values():
            if lun.device == "tape" and lun.medium.path is not None:
                _claim(files, lun.medium.path, _place(target.name, lun))
    barcodes: dict[str, str] = {}
    for holding in holdings:
        here = _place(holding.target, holding.lun)
        same: dict[str, list[str]] = {}
        for barcode in sorted(holding.present):
            file = holding.file(barcode)
            other = _claim(files, file, here)
            if other is not None:
                yield holding.problem(
                    f"{file} is one file with {other[0]} of {other[1]}",
                    "a cartridge is in one place only: copy the file, or remove one of the two links",
                    ERROR,
                )
            elif barcodes.setdefault(barcode, here) != here:
                same.setdefault(barcodes[barcode], []).append(barcode)
        for there, repeated in same.items():
            more = f" and {len(repeated) - _MOST_NAMED} more" if len(repeated) > _MOST_NAMED else ""
            yield holding.problem(
                f"{', '.join(repeated[:_MOST_NAMED])}{more} are barcodes of {there} too",
                "give cartridges barcodes of their own, if one backup program uses both libraries",
            )


def _claim(files: dict[tuple[int, int], tuple[str, str]], file: str, place: str) -> tuple[str, str] | None:
    """Who has this very file already, by whatever name and where; None: nobody."""
    identity = whereabouts(file)
    if identity is None:
        return None
    first = files.setdefault(identity, (file, place))
    return None if first == (file, place) else first


def _place(target: str, lun: Lun) -> str:
    return f'target "{target}" lun {lun.number} ({lun.origin})'


def _problem(target: str, lun: Lun, key: str, message: str, fix: str, severity: str = WARNING) -> Problem:
    origin, what = lun.origin, f'target "{target}" lun {lun.number}'
    return Problem(origin.file, origin.line, origin.column, what, key, message, fix, severity)


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
                yield _problem(
                    target.name,
                    lun,
                    "medium.path",
                    f"cartridge {path} cannot be used: {what}",
                    "name another cartridge, restore this one, or make a new one with tgtctl medium create tape",
                )


def _counts(config: Config | None) -> dict[str, int]:
    if config is None:
        return {}
    luns = sum(len(target.luns) + len(target.shared) for target in config.targets.values())
    return {"files": len(config.files), "targets": len(config.targets), "luns": luns}
