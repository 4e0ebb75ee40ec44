"""`make bench-fabric`: a disk on the kernel's loopback fabric, by us, by tcmu-runner, and by the kernel (fileio).

All three, with the initiator, in the guest of tests/guest on one emulated processor: what counts is the ratio of the
columns, not the figures; and emulation makes an interpreter dearer than compiled code. Files of 64 MiB, on ext4 in a
RAM disk, in the page cache. CPU is that of the whole guest, initiator included, for one command; in brackets that of
the process that serves. What our own code costs by itself, `make bench-gate` counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.guest.guestdaemon import GuestDaemon
from tests.guest.machine import Guest, missing

TARGET = "iqn.2026-11.com.example:bench"
CORE = "/sys/kernel/config/target/core"
PORT = "/sys/kernel/config/target/loopback/naa.5001405000000099/tpgt_1"
MEDIA = "/run/bench"
SIZE = 64 << 20

WORK = (
    ("randread", "4k", 32),
    ("randwrite", "4k", 32),
    ("randread", "4k", 1),
    ("read", "256k", 8),
    ("write", "256k", 8),
)

_MEASURE = """
import json, os, subprocess, sys
def ticks(pid):
    if pid == 0: return sum(map(int, (f := open('/proc/stat').readline().split())[1:4] + f[6:8]))
    return sum(map(int, open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[11:13]))
pids = (0, *map(int, sys.argv[1:2]))
before = [ticks(pid) for pid in pids]
fio = subprocess.run(['fio', '--output-format=json', *sys.argv[2:]], capture_output=True, check=True)
job = json.loads(fio.stdout)['jobs'][0]
used = [(ticks(pid) - was) / os.sysconf('SC_CLK_TCK') for pid, was in zip(pids, before)]
done = job['read']['total_ios'] + job['write']['total_ios']
print(json.dumps([done / job['job_runtime'] * 1e3, *(1e6 * each / done for each in used)]))
"""


@dataclass(slots=True)
class DiskServer:
    """Who serves a disk. pid: of the process; 0: the kernel does. rounds: by work: rate, µs, µs of the process."""

    name: str
    disk: str
    pid: int = 0
    rounds: dict[int, list[list[float]]] = field(default_factory=dict)

    def measure(self, guest: Guest, number: int, seconds: int) -> None:
        kind, size, depth = WORK[number]
        job = (
            f"--name=x --filename={self.disk} --rw={kind} --bs={size} --iodepth={depth} --ioengine=libaio --direct=1 "
            f"--size={SIZE} --time_based --runtime={seconds} --norandommap"
        )
        done = guest.run(f"python3 /share/measure.py {self.pid or 1} {job}", timeout=seconds + 60)
        self.rounds.setdefault(number, []).append(json.loads(done.output))

    def cell(self, number: int) -> str:
        rate, cpu, own = (statistics.median(each) for each in zip(*self.rounds[number], strict=True))
        return f"{rate:,.0f}/s, {cpu:,.0f} µs" + (f" ({own:,.0f})" if self.pid else "")


def prepare(guest: Guest) -> None:
    (guest.share / "measure.py").write_text(_MEASURE)
    guest.run(
        "modprobe configfs; mkdir -p /sys/kernel/config /run/dbus; mount -t configfs none /sys/kernel/config; "
        "modprobe -a target_core_user target_core_file tcm_loop sd_mod sg ext4; modprobe brd rd_nr=1 rd_size=300000; "
        f"mkfs.ext4 -q /dev/ram0; mkdir {MEDIA}; mount /dev/ram0 {MEDIA}; cd {MEDIA}; "
        f"head -c {SIZE} /dev/urandom >ours; cp ours theirs; "
        "qemu-img convert -O qcow2 ours image.qcow2; cat * >/dev/null 2>&1 || :",
        timeout=120,
    )


def ours(guest: Guest) -> DiskServer:
    inside = GuestDaemon(guest, "/run/ours")
    inside.edit(
        f'[[target]]\nname = "{TARGET}"\ntransport = "loopback"\nport = "naa.5001405000000098"\n'
        f"[target.access]\nanyone = true\n"
        f'[[target.lun]]\nnumber = 0\nmedium = {{ type = "file", path = "{MEDIA}/ours" }}\n'
    )
    inside.start()
    inside.served()
    return DiskServer("tgtd", inside.device(0), int(guest.run(f"cat {inside.place}/pid").output))


def theirs(guest: Guest) -> Iterator[DiskServer]:
    """tcmu-runner, with its handler of qcow2 images, and the kernel's own file backstore."""
    runner, kernel = f"{CORE}/user_90/runner", f"{CORE}/fileio_90/kernel"
    guest.run(
        "dbus-daemon --system --fork; setsid tcmu-runner </dev/null >/dev/null 2>&1 & echo $! >/run/runner.pid; "
        f"sleep 4; mkdir -p {runner} {kernel} {PORT}; "
        f"echo dev_size={SIZE},dev_config=qcow/{MEDIA}/image.qcow2,hw_block_size=512 >{runner}/control; "
        f"echo fd_dev_name={MEDIA}/theirs,fd_dev_size={SIZE},fd_buffered_io=1 >{kernel}/control; "
        f"echo 1 >{runner}/enable; echo 1 >{kernel}/enable; echo naa.500140500000009a >{PORT}/nexus; "
        f"mkdir -p {PORT}/lun/lun_0 {PORT}/lun/lun_1; ln -s {runner} {PORT}/lun/lun_0; ln -s {kernel} {PORT}/lun/lun_1",
        timeout=120,
    )
    disks = guest.run("lsscsi | awk '/TCMU device|FILEIO/ {print $NF}'").output.split()
    yield DiskServer("tcmu-runner", disks[0], int(guest.run("cat /run/runner.pid").output))
    yield DiskServer("LIO fileio", disks[1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fabric", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    lack = missing()
    if lack is not None:
        print(f"error: {lack}", file=sys.stderr)
        return 1
    with Guest("bench") as guest:
        prepare(guest)
        servers = [ours(guest), *theirs(guest)]
        print("| | " + " | ".join(server.name for server in servers) + " |\n|---|" + "---|" * len(servers))
        for number, (kind, size, depth) in enumerate(WORK):
            for turn in range(options.rounds):
                for server in servers if turn % 2 else reversed(servers):
                    server.measure(guest, number, options.seconds)
            cells = " | ".join(server.cell(number) for server in servers)
            print(f"| {kind} of {size}, depth {depth} | {cells} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
