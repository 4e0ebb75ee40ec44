"""Stand-ins: configurations without files, and members without processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tgtd.config.layers import Layers
from tgtd.config.load import Loader
from tgtd.config.model import Config
from tgtd.config.plan import Plan
from tgtd.status import Census


def config(place: Path, *targets: tuple[str, list[str]], head: str = "") -> Config:
    """A configuration: (target, files of its LUNs), all on one portal."""
    folder = place / "etc" / "targets.d"
    folder.mkdir(parents=True, exist_ok=True)
    (place / "etc" / "tgtd.toml").write_text(head)
    for old in folder.iterdir():
        old.unlink()
    for name, files in targets:
        luns = "".join(
            f"[[target.lun]]\nnumber = {number}\n"
            f'medium = {{ type = "file", path = "{place}/{file}", size = "1 MiB", create = true }}\n'
            for number, file in enumerate(files, 1)
        )
        (folder / f"{name}.toml").write_text(
            f'[[target]]\nname = "{iqn(name)}"\nportals = ["127.0.0.1:3260"]\n[target.access]\nanyone = true\n{luns}'
        )
    return Loader(Layers.single(place / "etc")).load()


def iqn(name: str) -> str:
    return f"iqn.2026-11.org.test:{name}"


class FakeMember:
    """Writes down what it is told."""

    def __init__(self, number: int, serving: bool = True) -> None:
        self.number = number
        self.serving = serving
        self.stopping = False
        self.census = Census()
        self.last_status: int | None = None
        self.pid: int | None = 100 + number
        self.told: list[tuple[Any, ...]] = []
        self.ready: Callable[[list[str]], None]
        self.done: Callable[[list[str]], None]
        self.lost: Callable[[], None]
        self.released: Callable[[], None]

    def send(self, verb: str, *what: object, sock: Any = None) -> None:
        self.told.append((verb, *what))

    def prepare(self, plan: Plan, leaving: Any, ready: Any, done: Any, lost: Any, released: Any = None) -> None:
        self.told.append(("prepare", plan, leaving))
        self.ready, self.done, self.lost, self.released = ready, done, lost, released

    def commit(self) -> None:
        self.told.append(("commit",))

    def cancel(self) -> None:
        self.told.append(("cancel",))

    def renew(self) -> None:
        self.told.append(("renew",))

    def verbs(self) -> list[str]:
        return [each[0] for each in self.told]
