"""The demonstrations: what `make demo` and `make demo-library` serve, made on the spot, and what to try with it.

One configuration has a disk, the other is the example of a library. Writes below one directory, its first argument,
and overwrites nothing; the second argument says which of the two, if not the disk.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = "iqn.2026-11.com.example:demo"
LIBRARY = "iqn.2026-11.com.example:library"
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


_EXAMPLE = Path(__file__).parents[1] / "etc" / "targets.d" / "library.toml.example"

_TRY_LIBRARY = """\
In another terminal, as whoever started it:

  1. See what is where, and do what an operator does at the panel:
     .venv/bin/tgtctl --run {place}/run library show {library} 0
     .venv/bin/tgtctl --run {place}/run library load {library} 0 A00004L8 2
     .venv/bin/tgtctl --run {place}/run library unload {library} 0 2

  2. As root, on Linux: log in, have the robot load a cartridge, and put a backup on it:
     modprobe -a iscsi_tcp sg st ch
     iscsiadm -m discovery -t sendtargets -p {portal}
     iscsiadm -m node -T {library} -p {portal} --login
     udevadm settle; lsscsi -g
     export CHANGER=$(lsscsi -g | awk '/mediumx/ {{ print $NF }}')
     export TAPE=$(lsscsi | awk '/tape/ {{ sub("/st", "/nst"); print $NF; exit }}')
     mtx status
     mtx load 1 0
     tar -c tgtd && mt rewind && tar -d && mt status
     mtx unload 1 0
     iscsiadm -m node -T {library} -p {portal} --logout

  3. Put a cartridge in while it runs:
     sed -i 's/"A00004L8"/"A00004L8", "A00005L8"/' {place}/etc/targets.d/demo.toml; sleep 1
     .venv/bin/tgtctl --run {place}/run library show {library} 0

Ctrl-C ends it; `rm -r {place}` removes all of it.
"""


def lay_out(place: Path) -> Path:
    """Make etc, state and run below `place`, and the target's file where there is none; returns that file."""
    disk = place.resolve() / "disk.img"
    return _laid_out(place, _CONFIG.format(target=TARGET, portal=PORTAL, disk=_quoted(disk)))


def lay_out_library(place: Path) -> Path:
    """The same for the library of the examples, on the loopback interface, with its cartridges below `place`."""
    tapes = place / "tapes"
    tapes.mkdir(parents=True, exist_ok=True)
    text = _EXAMPLE.read_text()
    for shipped, ours in (
        ("#:schema ../targets.schema.json\n", ""),
        ('"0.0.0.0:3260"', f'"{PORTAL}"'),
        ('initiators = ["iqn.2026-11.com.example:backup"]', "anyone = true"),
        ('"/srv/library"', f'"{_quoted(tapes.resolve())}"'),
    ):
        text = text.replace(shipped, ours)
    return _laid_out(place, text)


def _laid_out(place: Path, text: str) -> Path:
    targets = place / "etc" / "targets.d"
    for directory in (targets, place / "state", place / "run"):
        directory.mkdir(parents=True, exist_ok=True)
    config = targets / "demo.toml"
    if not config.exists():
        config.write_text(text)
    return config


def _quoted(path: Path) -> str:
    """A path inside of a basic string of TOML."""
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def main() -> int:
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["library"]):
        print("usage: python -m tgtd.demo DIRECTORY [library]", file=sys.stderr)
        return 2
    place, library = Path(sys.argv[1]), sys.argv[2:] == ["library"]
    try:
        (lay_out_library if library else lay_out)(place)
    except OSError as trouble:
        print(
            f"cannot make the demonstration in {place}: {trouble}; name a directory you can write to", file=sys.stderr
        )
        return 1
    text = _TRY_LIBRARY if library else _TRY
    print(text.format(portal=PORTAL, target=TARGET, library=LIBRARY, place=place), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
