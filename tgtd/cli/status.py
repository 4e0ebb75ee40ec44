"""tgtctl status: what the daemon serves, to whom, and what became of the last reload."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

from tgtd.cli.client import ask
from tgtd.cli.layout import columns, count, duration, size
from tgtd.cli.sessions import table as session_table

Row = dict[str, Any]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "status",
        parents=[common],
        help="show targets, LUNs, media, sessions, and the last reload",
        description="Exit status: 0 the daemon answered, 1 it is not running.",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """0 when the daemon answered."""
    answer = ask(arguments.run_directory, "status")
    print(json.dumps(answer, indent=2) if arguments.json else "\n".join(_lines(answer)))
    return 0


def _lines(answer: Row) -> Iterator[str]:
    yield (
        f"tgtd {answer['version']}, process {answer['pid']}, {answer['state']} for "
        f"{duration(time.time() - answer['started'])}, configuration generation {answer['generation']}"
    )
    yield from _reload(answer["last_reload"])
    counters = answer["counters"]
    waiting = f" ({counters['waiting']} pending)" if counters["waiting"] else ""
    yield (
        f"{count(counters['targets'], 'target')}{waiting}, {count(counters['luns'], 'LUN')} "
        f"({counters['online']} online, {counters['pending']} pending, {counters['offline']} offline), "
        f"{count(counters['sessions'], 'session')}"
    )
    if answer["io_uring"] != "in use":
        yield f"io_uring is not used: {answer['io_uring']}"
    if answer["workers"]:
        yield columns(_workers(answer["workers"]), indent="  ")
    if counters["refused_logins"]:
        yield f"{count(counters['refused_logins'], 'login')} refused since the start; the log says why"
    for target in answer["targets"]:
        yield ""
        yield from _target(target)


def _reload(last: Row | None) -> Iterator[str]:
    if last is None:
        return
    ago = duration(time.time() - last["time"])
    yield f"last reload {ago} ago ({last['by']}): {_RESULTS[last['result']]}"
    for line in last["errors"]:
        yield f"  {line}"


_RESULTS = {
    "applied": "applied",
    "nothing": "nothing to do",
    "refused": "REFUSED, the configuration before it stays in force:",
}


def _workers(workers: list[Row]) -> Iterator[tuple[str, ...]]:
    yield "WORKER", "PROCESS", "STATE", "TARGETS", "RESTARTS", "LAST ENDED"
    for one in workers:
        yield (
            str(one["number"]),
            str(one["pid"] or "-"),
            one["state"],
            str(one["targets"]),
            str(one["restarts"]),
            one["cause"] or "-",
        )


def _target(target: Row) -> Iterator[str]:
    alias = f' "{target["alias"]}"' if target["alias"] else ""
    yield f"{target['name']}{alias}{'' if target['online'] else ' (offline)'}"
    if target["fabric"]:
        yield from _fabric(target["fabric"])
    elif target["port_groups"]:
        for group in target["port_groups"]:
            preferred = ", preferred" if group["preferred"] else ""
            yield f"  port group {group['tag']}: {', '.join(group['portals'])} ({group['state']}{preferred})"
    else:
        yield f"  portals: {', '.join(target['portals']) or 'none'}"
    if target["luns"]:
        yield columns(_luns(target["luns"]), indent="  ")
    for share in target["shared_luns"]:
        yield f"  LUN {share['number']}: is LUN {share['lun']} of {share['target']}"
    for lun in target["luns"]:
        for tag, state in lun["access_states"].items():
            yield f"  LUN {lun['number']}: port group {tag} is {state}, as an initiator has set it"
        if lun["cause"]:
            yield f"  LUN {lun['number']}: {lun['cause']} ({lun['origin']})"
        error = lun["last_medium_error"]
        if error:
            times = count(lun["counters"]["medium_errors"], "command")
            ago = duration(time.time() - error["time"])
            yield f"  LUN {lun['number']}: {times} failed on its medium, the last {ago} ago: {error['what']}"
        if lun["pool"]:
            yield f"  LUN {lun['number']}: {_pool(lun['pool'])}"
        if lun["failed_self_test"]:
            yield f"  LUN {lun['number']}: {lun['failed_self_test']}"
        for worry in lun["worries"]:
            yield f"  LUN {lun['number']}: {worry}"
    if target["sessions"]:
        yield columns(session_table(target["sessions"]), indent="  ")
    elif not target["fabric"]:
        yield "  no sessions"


def _fabric(fabric: Row) -> Iterator[str]:
    yield f"  {fabric['fabric']} port {fabric['port']} ({fabric['state']}): {fabric['port_state']}"
    if fabric["cause"]:
        yield f"  {fabric['cause']}"
    moved = f"{size(fabric['bytes_read'])} read, {size(fabric['bytes_written'])} written"
    yield f"  {count(fabric['commands'], 'command')} from the kernel, {moved}"
    if fabric["refused_entries"]:
        yield f"  entries of its rings that were refused: {fabric['refused_entries']}; the log says why"


def _pool(pool: Row) -> str:
    low = "; WARNED: make room there" if pool["warned"] else ""
    free, warning = size(pool["free"]), pool["warning"]
    return f"its file system is {pool['percent']} % full, {free} are free (warning at {warning} %{low})"


def _luns(luns: list[Row]) -> Iterator[tuple[str, ...]]:
    yield "LUN", "STATE", "DEVICE", "SIZE", "BLOCK", "FLAGS", "SERIAL", "MEDIUM"
    for lun in luns:
        medium = lun["medium"]
        yield (
            str(lun["number"]),
            lun["state"],
            lun["device"],
            size(lun["size"]),
            str(lun["block_size"]),
            ",".join(lun["flags"]) or "-",
            lun["serial"],
            " ".join(filter(None, (*medium["filters"], medium["type"], medium["path"]))),
        )
