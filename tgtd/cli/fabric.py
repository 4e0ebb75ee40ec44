"""tgtctl fabric: what daemons of this machine have in the kernel, and an end to what none serves any more."""

from __future__ import annotations

import argparse
import errno
import json
from collections.abc import Iterator, Sequence

from tgtd.cli.client import Trouble
from tgtd.cli.layout import columns
from tgtd.hw.configfs.release import Leftover, leftovers, release
from tgtd.hw.configfs.tree import KernelTree


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "fabric",
        parents=[common],
        help="list what is in the kernel for its fabrics, or release it",
        description="Lists the targets that any tgtd of this machine has in the kernel's target core. With release, "
        "takes them out when no daemon serves them any more, so that nobody waits for one that does not come back: "
        "commands under way fail. Needs no daemon, and root. Exit status: 0 done, 1 not all could be released.",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("action", nargs="?", choices=["release"], help="release: take out of the kernel")
    parser.add_argument("target", nargs="*", metavar="TARGET", help="only these (default: all)")


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when some could not be released."""
    tree = KernelTree()
    found = leftovers(tree.take())
    if arguments.action is None:
        _show(found, arguments.json)
        return 0
    return _release(tree, found, arguments.target, arguments.json)


def _show(found: Sequence[Leftover], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"targets": [_row(left) for left in found]}, indent=2))
    elif found:
        print(columns(_table(found)))
    else:
        print("no tgtd has anything in the kernel")


def _row(left: Leftover) -> dict[str, object]:
    return {
        "target": left.target,
        "installation": left.installation,
        "ports": list(left.ports),
        "backstores": list(left.stores),
    }


def _table(found: Sequence[Leftover]) -> Iterator[tuple[str, ...]]:
    yield "TARGET", "INSTALLATION", "LUNS", "PORT"
    for left in found:
        yield left.target, left.installation[:8], str(len(left.stores)), ", ".join(left.ports) or "-"


def _release(tree: KernelTree, found: Sequence[Leftover], names: Sequence[str], as_json: bool) -> int:
    unknown = [name for name in names if all(left.target != name for left in found)]
    if unknown:
        raise Trouble(f"no tgtd has a target {unknown[0]} in the kernel; tgtctl fabric lists those there are")
    outcomes: list[dict[str, object]] = []
    for left in found:
        if names and left.target not in names:
            continue
        troubles = _one(tree, left)
        outcomes.append({**_row(left), "released": not troubles, "troubles": troubles})
        if not as_json:
            print(f"{left.target}: " + ("; ".join(troubles) or "released"))
    if as_json:
        print(json.dumps({"targets": outcomes}, indent=2))
    elif not outcomes:
        print("no tgtd has anything in the kernel")
    return int(any(one["troubles"] for one in outcomes))


def _one(tree: KernelTree, left: Leftover) -> list[str]:
    try:
        return list(release(tree, left))
    except OSError as trouble:
        if trouble.errno == errno.EBUSY:
            return ["a daemon serves it: stop that, or take the target out of its configuration"]
        if trouble.errno in (errno.EACCES, errno.EPERM):
            raise Trouble("only root may change what is in the kernel; use sudo") from None
        return [trouble.strerror or str(trouble)]
