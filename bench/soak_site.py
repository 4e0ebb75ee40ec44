"""What is soaked: a target for the loads, one with CHAP, and one that edits do as they like with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.daemon import free_port
from tests.initiator import Initiator
from tgtd.cli.client import ask

STEADY = "iqn.2026-11.com.example:steady"
GUARDED = "iqn.2026-11.com.example:guarded"
RESTLESS = "iqn.2026-11.com.example:restless"
USER, SECRET = "soak", b"only-for-this-soak"


class Site:
    """place: the directory of one daemon. targets: its targets.d."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = free_port()
        self.targets = place / "etc" / "targets.d"
        self.targets.mkdir(parents=True)
        (place / "etc" / "tgtd.toml").write_text("workers = 0\n")  # it is one process whose memory is watched
        secret = place / "secret"
        secret.touch(0o600)
        secret.write_bytes(SECRET)
        self.write("steady.toml", self.target(STEADY, 3))
        chap = f'chap = [{{ user = "{USER}", secret = {{ file = "{secret}" }} }}]'
        self.write("guarded.toml", self.target(GUARDED, 1, access=chap))

    def target(self, name: str, luns: int, size: str = "64 MiB", access: str = "anyone = true") -> str:
        head = f'[[target]]\nname = "{name}"\nportals = ["127.0.0.1:{self.port}"]\n[target.access]\n{access}\n'
        kind = name.rpartition(":")[2]
        return head + "".join(
            f'[[target.lun]]\nnumber = {number}\nmedium = {{ type = "file", '
            f'path = "{self.place}/{kind}{number}.img", size = "{size}", create = true }}\n'
            for number in range(1, luns + 1)
        )

    def write(self, file: str, text: str) -> None:
        """A new file renamed over the old."""
        fresh = self.targets / f".{file}.new"
        fresh.write_text(text)
        fresh.rename(self.targets / file)

    def login(self, target: str, **wishes: Any) -> Initiator:
        return Initiator(("127.0.0.1", self.port), target, timeout=60, **wishes).login()

    def ask(self, command: str) -> dict[str, Any]:
        answer: dict[str, Any] = ask(self.place / "run", command)
        return answer

    def counters(self) -> dict[str, int]:
        counters: dict[str, int] = self.ask("status")["counters"]
        return counters
