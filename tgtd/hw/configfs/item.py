"""What a wish for the kernel's target configuration consists of. Paths are relative to its root, `target/`.

A wish is a sequence of items in the order in which they can be made, backstores before fabrics. An item may come twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CORE = "core"
"""Below it are the backstores."""
BACKSTORE = "user_"
"""How the directory of a group of TCMU backstores begins; its number follows."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory that somebody makes. Those that the kernel makes with it need no item."""

    path: str


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a file. shows: what the file says when it is so, None: the text itself.

    once: it cannot be read back; it is written when its folder is made. settled: the kernel takes another one only
    while nothing is linked to the folder. vital: where it differs, the folder is made anew, as it was left half made,
    or was made for something else. told: it is never written, as it follows from others. any: whatever is there will
    do.
    """

    path: str
    text: str
    shows: str | None = None
    once: bool = False
    settled: bool = False
    vital: bool = False
    told: bool = False
    any: bool = False

    @property
    def folder(self) -> str:
        """The made folder it belongs to: of a backstore, or above `attrib` and its like."""
        parts = self.path.split("/")
        return "/".join(parts[:3])

    def holds(self, text: str | None) -> bool:
        """Whether what a file says is what is wished. text None: it could not be read."""
        if self.any:
            return bool(text)
        return text == (self.text if self.shows is None else self.shows)


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link. to: a path like its own."""

    path: str
    to: str


Item = Folder | Value | Link
KernelLayout = Sequence[Item]


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder's, or below it."""
    return path == folder or path.startswith(f"{folder}/")
