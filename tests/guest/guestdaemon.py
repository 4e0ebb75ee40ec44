"""A daemon in the guest, whose initiator is the guest's own kernel: what tests of the kernel's fabrics share."""

from __future__ import annotations

import json
import sys
from typing import Any

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
        ended = self.guest.run(f"kill $(cat {place}/pid)", status=None).status
        assert ended == 0, self.log()
        assert self.guest.eventually(f"! kill -0 $(<{place}/pid) 2>/dev/null", 60), self.log()

    def edit(self, text: str) -> None:
        """Another configuration, which the daemon sees by itself."""
        (self.guest.share / "inside.toml").write_text(text)
        folder = f"{self.place}/etc/targets.d"
        self.guest.run(f"cp /share/inside.toml {folder}/.new; mv {folder}/.new {folder}/a.toml")

    def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        """Ask the control socket, as tgtctl does, without the time that its start takes here."""
        request = json.dumps(arguments)
        said = self.guest.run(
            f"/usr/bin/python3 -I -S {HERE}/ask.py {self.place}/run/control.sock {command} '{request}'"
        ).output
        answer: dict[str, Any] = json.loads(said)
        assert answer["ok"], said
        return answer

    def served(self, times: int = 1) -> None:
        """Wait until its target has been set up, so many times since the start. Raises AssertionError with the log."""
        enough = f"[ $(grep -c 'is set up' {self.place}/log) -ge {times} ]"
        assert self.guest.eventually(enough, 100), self.log()

    def ready(self, *nodes: str) -> None:
        """Wait for something of sysfs or /dev that the kernel is to have. Raises AssertionError with the log."""
        for node in nodes:
            assert self.guest.eventually(f"ls -d {node}", 80), self.log()

    def log(self) -> str:
        return self.guest.run(f"cat {self.place}/log", status=None).output

    def device(self, lun: int, kind: str = "block") -> str:
        """The node of a LUN that tcm_loop has, once it is there."""
        units = f"/sys/devices/tcm_loop_*/tcm_loop_adapter_*/host*/target*/*:{lun}/{kind}/*"
        self.ready(units)
        return "/dev/" + self.guest.run(f"ls -d {units}").output.split()[0].rsplit("/", 1)[1]
