"""`make bench-gate`: how much our own code does for one command, counted and not timed, against a budget.

Counted are the interpreter's bytecode instructions and calls in a replayed batch of 32 commands: the same on every
machine, whatever else it does. Another version of Python has other counts; budgets are kept for those we know.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import product
from types import FrameType
from typing import Any

from bench.replay import CASES, DEPTH, Replay
from bench.ringreplay import RingReplay

SLACK = 1.03

# (Python, command): (bytecode instructions, calls of Python functions) for one command of a batch.
BUDGET: dict[tuple[str, str], tuple[float, float]] = {
    ("3.11", "READ(10) 4 KiB"): (870.8, 15.4),
    ("3.11", "WRITE(10) 4 KiB"): (1118.4, 23.4),
    ("3.11", "READ(10) 4 KiB by a ring"): (883.4, 16.4),
    ("3.11", "WRITE(10) 4 KiB by a ring"): (1118.4, 25.4),
}


def count(replay: Replay | RingReplay, cdb: bytes, data: bytes) -> tuple[float, float]:
    """Instructions and calls for one command."""
    counts: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        counts[event] += 1
        return trace

    for _ in range(3):
        replay.run(cdb, data)
    turn = replay.turn

    def traced() -> None:
        sys.settrace(trace)
        try:
            turn()
        finally:
            sys.settrace(None)

    replay.turn = traced  # type: ignore[method-assign]
    try:
        replay.run(cdb, data)
    finally:
        replay.turn = turn  # type: ignore[method-assign]
    return counts["opcode"] / DEPTH, counts["call"] / DEPTH


def main() -> int:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    replay, ring = Replay(), RingReplay()
    ways: list[tuple[Replay | RingReplay, str]] = [(replay, ""), (ring, " by a ring")]
    worst = 0
    for (way, by), (case, cdb, data) in product(ways, CASES):
        name = case + by
        instructions, calls = count(way, cdb, data)
        budget = BUDGET.get((version, name))
        if budget is None:
            print(f"{name}: {instructions:.1f} instructions, {calls:.1f} calls; no budget for Python {version}")
            continue
        over = instructions > budget[0] * SLACK or calls > budget[1] * SLACK
        print(
            f"{name}: {instructions:.1f} instructions (budget {budget[0]}), {calls:.1f} calls (budget {budget[1]})"
            + (": too many; spend less, or raise the budget in bench/gate.py and say why" if over else "")
        )
        worst |= over
    return worst


if __name__ == "__main__":
    sys.exit(main())
