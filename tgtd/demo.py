"""The demonstration of `make demo`: a configuration with one disk, made on the spot, and what to try with it.

Writes below one directory, given as the only argument, and overwrites nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = "iqn.2026-11.com.example:demo"
PORTAL = "127.0.0.1:3260"

_CONFIG = """\
# Made by `make demo`. Change something while the daemon runs: it notices.
[[target]]
name = "{target}"
portals = ["{portal}"]

[target.access]
# The open door, for a demonstration on the loopback interface.
anyone = true

[[target.lun]]
number = 1
device = "disk"
medium = {{ type = "file", path = "{disk}", size = "1 GiB", create = true }}
"""

_TRY = """\
In another terminal, try:

  1. See what is offered:
     iscsi-ls -s iscsi://{portal}/

  2. Copy the image of a file system onto the disk, and compare (their sizes differ, what is in them must not):
     /sbin/mke2fs -q -t ext4 -d tgtd {place}/sample.img 64M
     qemu-img convert -n -f raw -O raw {place}/sample.img iscsi://{portal}/{target}/1
     qemu-img compare -f raw -F raw {place}/sample.img iscsi://{portal}/{target}/1

  3. Let the disk grow while it is offered:
     sed -i 's/"1 GiB"/"2 GiB"/' {place}/etc/targets.d/demo.toml; sleep 1
     .venv/bin/tgtctl --run {place}/run status

Ctrl-C ends it; `rm -r {place}` removes all of it.
"""


def lay_out(place: Path) -> Path:
    """Make etc, state and run below `place`, and the target's file where there is none; returns that file."""
    targets = place / "etc" / "targets.d"
    for directory in (targets, place / "state", place / "run"):
        directory.mkdir(parents=True, exist_ok=True)
    config = targets / "demo.toml"
    if not config.exists():
        disk = place.resolve() / "disk.img"
        config.write_text(_CONFIG.format(target=TARGET, portal=PORTAL, disk=_quoted(disk)))
    return config


def _quoted(path: Path) -> str:
    """A path inside of a basic string of TOML."""
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m tgtd.demo DIRECTORY", file=sys.stderr)
        return 2
    place = Path(sys.argv[1])
    try:
        lay_out(place)
    except OSError as trouble:
        print(
            f"cannot make the demonstration in {place}: {trouble}; name a directory you can write to", file=sys.stderr
        )
        return 1
    print(_TRY.format(portal=PORTAL, target=TARGET, place=place), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
