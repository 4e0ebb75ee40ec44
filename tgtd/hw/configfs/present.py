"""What is there in the kernel's target configuration, and whose it is. Pure: a picture, taken by tree.py.

An object is ours by what it leads to: a backstore by its configuration string, which begins with our mark, a LUN by the
backstore that it is linked to, a port group by its LUNs. Nothing has to be remembered elsewhere, so what a crash leaves
behind is known again, and what others made (targetcli, another daemon) never is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tgtd.hw.configfs.item import CORE, within

MARK = "tgtd/"
"""How the configuration string of every backstore of a tgtd begins; the installation's id follows, then the target."""
_LONGEST_TARGET = 180
"""Characters of a target's name in it, as the kernel keeps 255 of all."""


def mark(installation: bytes, target: str) -> str:
    """How those of one target begin."""
    return f"{MARK}{installation.hex()}/{target[:_LONGEST_TARGET]}/"


def described(configuration: str) -> tuple[str, str, str] | None:
    """Installation, target and LUN of a backstore of any tgtd, from its configuration string; None: of another
    program."""
    parts = configuration.removeprefix(MARK).split("/")
    return (parts[0], parts[1], parts[2]) if configuration.startswith(MARK) and len(parts) == 3 else None


@dataclass(frozen=True, slots=True)
class Present:
    """folders: those that somebody made. links: path → path. values: those that were asked for and could be read,
    and `enable` of every port group that has it. configurations: of the TCMU backstores, by their folder."""

    folders: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    configurations: Mapping[str, str] = field(default_factory=dict)

    def owned(self, begin: str, home: str) -> Owned:
        """What belongs to those whose mark and folder of backstores these are."""
        stores = {path for path, text in self.configurations.items() if text.startswith(begin)}
        stores |= {path for path in self.folders if _above(path) == home and not self.configurations.get(path)}
        lun_links = {path: to for path, to in self.links.items() if within(to, CORE)}
        ours = {path for path, to in lun_links.items() if to in stores}
        strangers = {group_of(path) for path in lun_links.keys() - ours}
        groups = {group_of(path) for path in ours} - strangers
        luns = {_above(path) for path in ours}
        folders = stores | luns | {path for path in self.folders if group_of(path) in groups}
        links = ours | {path for path, to in self.links.items() if group_of(path) in groups or to in luns}
        for above in {*map(_above, groups), home} & self.folders:
            if all(path in folders for path in self.folders if _above(path) == above):
                folders.add(above)
        return Owned(frozenset(folders), frozenset(links), frozenset(groups))

    def stranger_at(self, group: str, begin: str) -> str | None:
        """What somebody else has linked into a port group, as a path; None: nothing."""
        for path, to in sorted(self.links.items()):
            foreign = within(to, CORE) and not self.configurations.get(to, "").startswith(begin)
            if foreign and group_of(path) == group:
                return to
        return None


@dataclass(frozen=True, slots=True)
class Owned:
    """What may be taken away. groups: the port groups among the folders."""

    folders: frozenset[str]
    links: frozenset[str]
    groups: frozenset[str]


def group_of(path: str) -> str:
    """The port group that a path is in: fabric, port, group. For a path above that, the path itself."""
    return "/".join(path.split("/")[:3])


def _above(path: str) -> str:
    return path.rpartition("/")[0]
