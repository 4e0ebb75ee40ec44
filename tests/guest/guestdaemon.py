"""A daemon in the guest, whose initiator is the guest's own kernel: what tests of the kernel's fabrics share."""

from __future__ import annotations

import sys

from tests.guest.machine import HERE, Guest

_ROOT = HERE.parents[1]


class GuestDaemon:
    """A daemon whose files are in `place`. media: where its LUNs may have theirs."""

    def __init__(self, guest: Guest, place: str) -> None:
        self.guest = guest
        self.place = place
        self.media = f"{place}/media"
        guest.run(f"mkdir -p {place}/etc/targets.d {self.media}")

    def start(self) -> None:
        place = self.place
        self.guest.run(
            f"cd {_ROOT}; rm -f {place}/run/control.sock; "
            f"setsid {sys.executable} -m tgtd --config {place}/etc --state {place}/state --run {place}/run "
            f"</dev/null >{place}/log 2>&1 & echo $! >{place}/pid"
        )

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self.guest.run(
            f"kill -9 $(cat {self.place}/pid); while kill -0 $(cat {self.place}/pid) 2>/dev/null; do :; done"
        )

    def stop(self) -> None:
        place = self.place
        self.guest.run(
            f"kill $(cat {place}/pid); for each in $(seq 100); do kill -0 $(cat {place}/pid) 2>/dev/null || exit 0; "
            f"sleep 0.3; done; cat {place}/log; exit 1"
        )

    def edit(self, text: str) -> None:
        """Another configuration, which the daemon sees by itself."""
        (self.guest.share / "inside.toml").write_text(text)
        folder = f"{self.place}/etc/targets.d"
        self.guest.run(f"cp /share/inside.toml {folder}/.new; mv {folder}/.new {folder}/a.toml")

    def control(self, words: str) -> str:
        """What tgtctl prints: "fault hang TARGET 1"."""
        command, _, rest = words.partition(" ")
        tgtctl = f"{sys.prefix}/bin/tgtctl {command} --config {self.place}/etc --state {self.place}/state"
        return self.guest.run(f"{tgtctl} --run {self.place}/run {rest}").output

    def served(self, times: int = 1) -> None:
        """Wait until its target has been set up, so many times since the start. Raises AssertionError with the log."""
        done = self.guest.run(
            f"for each in $(seq 400); do [ $(grep -c 'is set up' {self.place}/log) -ge {times} ] && exit; sleep 0.2; "
            "done; exit 1",
            timeout=120,
            status=None,
        )
        assert done.status == 0, self.log()

    def ready(self, *nodes: str) -> None:
        """Wait for something of sysfs or /dev that the kernel is to have. Raises AssertionError with the log."""
        for node in nodes:
            done = self.guest.run(f"for each in $(seq 200); do ls -d {node} && exit; sleep 0.3; done", 120, status=None)
            assert done.status == 0, self.log()
            assert "No such" not in done.output.splitlines()[-1], self.log()

    def log(self) -> str:
        return self.guest.run(f"cat {self.place}/log", status=None).output

    def device(self, lun: int, kind: str = "block") -> str:
        """The node of a LUN that tcm_loop has, once it is there."""
        units = f"/sys/devices/tcm_loop_*/tcm_loop_adapter_*/host*/target*/*:{lun}/{kind}/*"
        self.ready(units)
        return "/dev/" + self.guest.run(f"ls -d {units}").output.split()[0].rsplit("/", 1)[1]
