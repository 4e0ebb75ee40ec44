"""Run all benchmarks and print one line each."""

from __future__ import annotations

import sys

from bench import core, wire


def main() -> int:
    print(f"{'what':<44}{'per second':>12}{'CPU µs each':>14}")
    for result in (*core.run(), *wire.run()):
        print(f"{result.name:<44}{result.rate:>12,.0f}{result.cost * 1e6:>14.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
