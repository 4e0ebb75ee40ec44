"""A site: a daemon with a configuration that a test writes and edits, and the client programs that talk to it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import daemon, free_port
from tests.initiator import Initiator
from tgtd.cli.client import ask

IQN = "iqn.2026-11.org.test:disks"


class Site:
    """place/etc, state, run and media. `start` and `stop` may be called again and again."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = free_port()
        self.targets = place / "etc" / "targets.d"
        self.media = place / "media"
        self.targets.mkdir(parents=True)
        self.media.mkdir()
        self._stack = ExitStack()
        self.process: subprocess.Popen[str] | None = None

    def start(self, *program: str | Path) -> None:
        """program: Python's arguments, for a daemon that is not the usual one."""
        self.process = self._stack.enter_context(daemon(self.place, program or ("-m", "tgtd")))

    def stop(self) -> None:
        self._stack.close()
        self.process = None

    def kill(self) -> None:
        """kill -9; `start` may follow."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.stop()

    @contextmanager
    def killed(self, after: float) -> Iterator[None]:
        """kill -9 after that many seconds, while the body goes on until its connection ends; `start` may follow."""
        assert self.process is not None
        due = time.monotonic() + after
        victim = threading.Timer(after, self.process.kill)
        victim.start()
        try:
            yield
        except OSError:
            if time.monotonic() < due:
                raise  # the daemon has not ended, and yet the connection has
        finally:
            victim.join()
            self.kill()

    @property
    def log(self) -> str:
        return (self.place / "log").read_text()

    def lun(
        self, number: int, size: str = "64 MiB", more: str = "", medium: str | None = None, device: str = "disk"
    ) -> str:
        """A [[target.lun]] table; by default on a file of its own that is made."""
        path = self.media / f"lun{number}.img"
        medium = medium or f'{{ type = "file", path = "{path}", size = "{size}", create = true }}'
        return f'[[target.lun]]\nnumber = {number}\ndevice = "{device}"\nmedium = {medium}\n{more}\n'

    def target(self, *luns: str, name: str = IQN, head: str = "", access: str = "anyone = true") -> str:
        return (
            f'[[target]]\nname = "{name}"\nportals = ["127.0.0.1:{self.port}"]\n{head}\n'
            f"[target.access]\n{access}\n" + "".join(luns)
        )

    def write(self, text: str, file: str = "a.toml") -> None:
        """The way editors and configuration management do it: a new file renamed over the old."""
        fresh = self.targets / f".{file}.new"
        fresh.write_text(text)
        fresh.rename(self.targets / file)

    def tgtctl(self, *words: str, status: int | None = 0) -> str:
        """Standard output of tgtctl; status None: any exit status will do."""
        options = ("--config", self.place / "etc", "--state", self.place / "state", "--run", self.place / "run")
        done = subprocess.run(
            (Path(sys.executable).with_name("tgtctl"), *options, *words),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert status is None or done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def ask(self, command: str) -> dict[str, Any]:
        """One request over the control socket, without the cost of starting tgtctl."""
        answer: dict[str, Any] = ask(self.place / "run", command)
        return answer

    def status(self) -> dict[str, Any]:
        return self.ask("status")

    def written(self) -> int:
        """How many bytes came for the first LUN of the first target since the daemon was started."""
        counted: int = self.status()["targets"][0]["luns"][0]["counters"]["write_bytes"]
        return counted

    def url(self, number: int | None = None, options: str = "", name: str = IQN) -> str:
        root = f"iscsi://127.0.0.1:{self.port}/"
        return root if number is None else f"{root}{name}/{number}{options}"

    def login(self, **wishes: Any) -> Initiator:
        wishes.setdefault("target", IQN)
        return Initiator(("127.0.0.1", self.port), **wishes).login()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    try:
        yield site
    finally:
        site.stop()


def run(*words: str | Path, timeout: float = 120, status: int | None = 0) -> str:
    """Run a client program; standard output and error together, a character for each byte."""
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(words, capture_output=True, timeout=timeout, check=False, env=environment)
    output = (done.stdout + done.stderr).decode("latin-1")
    assert status is None or done.returncode == status, f"{words}: {done.returncode}\n{output}"
    return output


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
