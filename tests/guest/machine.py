"""A virtual machine whose root is this machine's own (read only, changes are lost), with a Debian kernel and no image.

It runs under software emulation, boots in some ten seconds, and then takes commands over a virtio serial port. What
127.0.0.1 is to the host, 10.0.2.2 is to the guest. `share` is a directory of the host that the guest sees, and may
write, as /share.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "guest"
HOST = "10.0.2.2"
ADDRESS = "10.0.2.15"

BOOT_TIMEOUT = 180.0
_QEMU = "qemu-system-x86_64"
_MACHINE = (
    # What is emulated copies a byte at a time where programs take "fast strings" for the best way.
    *("-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max,-erms,-fsrm", "-smp", "1", "-m", "1024"),
    *("-M", "q35,usb=off,vmport=off,hpet=off", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
    *("-nic", "user,model=virtio-net-pci,ipv6=off", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
)
# norandmaps: what was translated of a program is found again by its address, so each process has the same.
_KERNEL = (
    "console=ttyS0 loglevel=7 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check random.trust_cpu=on "
    "cryptomgr.notests apparmor=0 audit=0 net.ifnames=0 init_on_alloc=0 preempt=none rcupdate.rcu_expedited=1 "
    "norandmaps"
)

_WORKER = f"-{os.environ['PYTEST_XDIST_WORKER']}" if "PYTEST_XDIST_WORKER" in os.environ else ""
"""Of the processes that share a test run, each has its own guest."""


class GuestTrouble(AssertionError):
    """The guest did not boot, ended, or did not answer; the text has the end of its console."""


@dataclass(frozen=True, slots=True)
class Done:
    """A command's end. output: standard output and error together."""

    status: int
    output: str


def missing() -> str | None:
    """Why no guest can be had here, in one line; None when one can."""
    if os.uname().machine != "x86_64":
        return "guest tests need an x86_64 machine"
    if shutil.which(_QEMU) is None:
        return f"guest tests need {_QEMU}: install qemu-system-x86, or run make test as root"
    if not (BUILD / "release").exists():
        return f"guest tests need a kernel in {BUILD}: run tools/guest-kernel {BUILD}, or make test"
    return None


class Guest:
    """A running guest; use it as a context. name: of its console's file in build/guest/, to which a test
    run of several processes adds which one it was.

    init: the guest's process 1. prepare: a script run before that, with the new root as its argument. append: more of
    the kernel's command line. Raises GuestTrouble.
    """

    def __init__(
        self, name: str, init: str = str(HERE / "boot"), prepare: Path | None = None, append: str = ""
    ) -> None:
        self.console = BUILD / f"{name}{_WORKER}.console"
        self._place = Path(tempfile.mkdtemp(prefix="tgtd-guest-"))
        self.share = self._place / "share"
        self.share.mkdir()
        self._append = f"{_KERNEL} guest.init={init} guest.modules={BUILD / 'modules'} {append}"
        if prepare is not None:
            self._append += f" guest.prepare={prepare}"
        self._answers: dict[int, queue.Queue[dict[str, Any] | None]] = {0: queue.Queue()}
        self._done: set[str] = set()
        self._last = 0
        self._lock = threading.Lock()
        self._ended = False

    def __enter__(self) -> Self:
        socket_path = self._place / "agent"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(socket_path))
        self._listener.listen(1)
        self._listener.settimeout(BOOT_TIMEOUT)
        self._process = subprocess.Popen(
            command(
                self._append,
                self.share,
                *(
                    "-chardev",
                    f"socket,id=agent,path={socket_path}",
                    "-device",
                    "virtserialport,chardev=agent,name=agent",
                ),
                *("-serial", f"file:{self.console}"),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            self._connect()
            self._await(0, BOOT_TIMEOUT, "boot")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _connect(self) -> None:
        """QEMU connects at once, or ends with a complaint."""
        self._listener.settimeout(0.2)
        while True:
            try:
                self._socket, _ = self._listener.accept()
                break
            except TimeoutError:
                if self._process.poll() is not None:
                    assert self._process.stderr is not None
                    raise GuestTrouble(f"QEMU ended: {self._process.stderr.read().decode()}") from None
        threading.Thread(target=self._listen, daemon=True).start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._listener.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def run(self, shell: str, timeout: float = 60, status: int | None = 0) -> Done:
        """Run a bash command. status: what it must end with, None: anything. Raises AssertionError with the output."""
        answer = self._await(self._send(shell, timeout), timeout + 60, shell)
        if answer["status"] is None:
            raise AssertionError(f"in the guest, after {timeout:.0f} s still not done: {shell}\n{answer['output']}")
        done = Done(answer["status"], answer["output"])
        assert status is None or done.status == status, f"in the guest: {shell}: {done.status}\n{done.output}"
        return done

    def eventually(self, shell: str, patience: float = 30) -> bool:
        """Whether a bash command succeeds in time; it is run again and again."""
        return self.awaited(shell, patience).status == 0

    def awaited(self, shell: str, patience: float = 30) -> Done:
        """A bash command that is run again and again until it succeeds, or patience ends. Output is that of all runs.

        Bash itself does the waiting: each process that it would start takes time from what is waited for.
        """
        loop = (
            f"exec {{never}}<> <(:); naps=0; SECONDS=0; until ( {shell} ); do "
            f"[ $SECONDS -lt {patience:.0f} ] || exit 1; read -rt .$((naps < 7 ? ++naps : 7)) -u $never || :; done"
        )
        return self.run(loop, timeout=2 * patience, status=None)

    def once(self, shell: str) -> None:
        """Run a bash command, unless this guest has done it before."""
        if shell not in self._done:
            self.run(shell)
            self._done.add(shell)

    def start(self, shell: str, timeout: float = 60) -> Callable[[], Done]:
        """Begin a command; the result waits for its end."""
        number = self._send(shell, timeout)

        def finish() -> Done:
            answer = self._await(number, timeout + 60, shell)
            assert answer["status"] is not None, f"in the guest, not done in time: {shell}\n{answer['output']}"
            return Done(answer["status"], answer["output"])

        return finish

    def said(self, since: int = 0) -> str:
        """The console from a byte offset on (`heard` gives the present one): the kernel's log."""
        return self.console.read_bytes()[since:].decode("utf-8", "replace").replace("\r", "")

    def heard(self) -> int:
        """How many bytes the console has so far."""
        return self.console.stat().st_size

    def _send(self, shell: str, timeout: float) -> int:
        with self._lock:
            self._last += 1
            number = self._last
            self._answers[number] = queue.Queue()
            if self._ended:
                raise self._trouble("it has ended")
            self._socket.sendall(json.dumps({"id": number, "command": shell, "timeout": timeout}).encode() + b"\n")
        return number

    def _listen(self) -> None:
        with self._socket, self._socket.makefile("rb") as lines:
            for line in lines:
                answer = json.loads(line)
                waiting = self._answers.get(answer["id"])
                if waiting is not None:
                    waiting.put(answer)
        self._ended = True
        for waiting in list(self._answers.values()):
            waiting.put(None)

    def _await(self, number: int, timeout: float, what: str) -> dict[str, Any]:
        try:
            answer = self._answers[number].get(timeout=timeout)
        except queue.Empty:
            raise self._trouble(f"no answer within {timeout:.0f} s to: {what}") from None
        finally:
            del self._answers[number]
        if answer is None:
            raise self._trouble(f"it ended during: {what}")
        return answer

    def _trouble(self, what: str) -> GuestTrouble:
        return GuestTrouble(f"the guest: {what}\nthe end of its console ({self.console}):\n{self.said()[-4000:]}")


def command(append: str, share: Path, *more: str) -> tuple[str, ...]:
    """QEMU's command line. It dies with the thread that starts it."""
    return (
        *("setpriv", "--pdeathsig", "KILL", _QEMU, *_MACHINE),
        *("-kernel", str(BUILD / "vmlinuz"), "-initrd", str(BUILD / "initramfs"), "-append", append),
        *("-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"),
        *("-virtfs", f"local,path={share},mount_tag=share,security_model=none,multidevs=remap"),
        *more,
    )
