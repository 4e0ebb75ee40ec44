"""Configuration files for tests: writing them, loading them, and what is said about them."""

from __future__ import annotations

from pathlib import Path

from tgtd.config.layers import Layers
from tgtd.config.load import Loader
from tgtd.config.model import Config, Lun, Target
from tgtd.config.problem import ConfigErrors

NAME = "iqn.2026-11.com.example:disks"

HEAD = f"""[[target]]
name = "{NAME}"
[target.access]
anyone = true
"""

LUN = """[[target.lun]]
number = 1
medium = { type = "null", size = "1 MiB" }
"""


class Tree:
    """A directory with targets.d in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "targets.d").mkdir(parents=True)

    def write(self, text: str, name: str = "targets.d/a.toml", mode: int = 0o644) -> Path:
        path = self.root / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def loader(self, secrets: bool = True) -> Loader:
        return Loader(Layers.single(self.root), secrets=secrets, environment={})

    def load(self) -> Config:
        return self.loader().load()

    def target(self, text: str) -> Target:
        """The one target of a file with this text."""
        self.write(text)
        (target,) = self.load().targets.values()
        return target

    def lun(self, text: str) -> Lun:
        """LUN 1 of a target; text: keys of its table."""
        return self.target(f"{HEAD}[[target.lun]]\nnumber = 1\n{text}").luns[1]

    def complaints(self, text: str, name: str = "targets.d/a.toml", mode: int = 0o644) -> list[str]:
        """What is said about a file with this text: without the directory, and without the name of the one target."""
        self.write(text, name, mode)
        return said(self.loader(), self.root)


def said(loader: Loader, root: Path) -> list[str]:
    """Errors and warnings, paths below root."""
    try:
        problems = loader.load().warnings
    except ConfigErrors as errors:
        problems = errors.problems
    return [str(problem).replace(f"{root}/targets.d/", "").replace(f"{root}/", "") for problem in problems]
