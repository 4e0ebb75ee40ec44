"""What a daemon needs of its host before it can serve: directories of its own, its id, enough file descriptors."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import resource
from collections.abc import Mapping
from pathlib import Path

from tgtd.config import model
from tgtd.config.layers import Layers
from tgtd.control import ControlCommand, ControlServer
from tgtd.identity import installation_id
from tgtd.loop import Loop

log = logging.getLogger(__name__)

CONTROL_SOCKET = "control.sock"
_LOCK = "lock"
_SPARE_FILES = 64
"""Descriptors for everything that is neither a medium nor a connection."""


class CannotStart(Exception):
    """Why the daemon cannot start: cause and what to do."""


class Claim:
    """A directory held against other daemons, from construction to `close` or the process's end.

    option: which option of the command line names it. Raises CannotStart.
    """

    def __init__(self, directory: Path, option: str) -> None:
        try:
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            # Nobody else may open it, as whoever can also can lock it; and no link may lead us to another file.
            self._lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            os.fchmod(self._lock, 0o600)
        except OSError as trouble:
            raise CannotStart(
                f"{trouble.filename or directory}: {_cause(trouble)}; give the daemon's user a directory it can write "
                f"to with {option}"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._lock, 20).decode("ascii", "replace").strip()
            self.close()
            raise CannotStart(
                f"another tgtd (process {holder or 'unknown'}) uses {directory}; stop it, or give this one a directory "
                f"of its own with {option}"
            ) from None
        with contextlib.suppress(OSError):  # it is there to be read by people; a full disk is no reason not to serve
            os.ftruncate(self._lock, 0)
            os.write(self._lock, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        os.close(self._lock)


def installation(state: Path) -> bytes:
    """The installation's id. Raises CannotStart."""
    try:
        return installation_id(state)
    except OSError as trouble:
        space = trouble.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = "make room there" if space else "give it to the daemon's user (chown), with mode 0600"
        raise CannotStart(f"{trouble.filename or state}: {_cause(trouble)}; {fix}") from None
    except ValueError as trouble:
        raise CannotStart(str(trouble)) from None


def _cause(trouble: OSError) -> str:
    """In words; "File exists" is how the system says that it is no directory."""
    return "is not a directory" if isinstance(trouble, FileExistsError) else trouble.strerror or str(trouble)


def layers(config: Path | None) -> Layers:
    """Where the configuration is. Raises CannotStart when the directory that was named is none."""
    if config is None:
        return Layers.system()
    if not config.is_dir():
        raise CannotStart(f"{config} is not a directory; --config names the one that holds tgtd.toml and targets.d/")
    return Layers.single(config)


def raise_file_limit(config: model.Config) -> None:
    """Allow as many open files as the host lets us; media need one each, or two with direct I/O, and one more on a
    fabric of the kernel. Raises CannotStart."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    media = sum(
        1 + lun.medium.direct + bool(lun.protection_path) + bool(lun.medium.encryption)
        for target in config.targets.values()
        for lun in target.luns.values()
    )
    media += sum(len(target.luns) + len(target.shared) for target in config.targets.values() if target.fabric)
    if most == resource.RLIM_INFINITY:
        return
    if media + _SPARE_FILES > most:
        raise CannotStart(
            f"{media} media need {media + _SPARE_FILES} open files, and the limit is {most}; raise LimitNOFILE= of the "
            "service, or `ulimit -Hn`"
        )
    connections = config.daemon.limits.connections
    if media + connections + _SPARE_FILES > most:
        log.warning(
            "the limit of %d open files leaves room for %d connections, and limits.connections is %d; raise "
            "LimitNOFILE= of the service, or `ulimit -Hn`",
            most,
            most - media - _SPARE_FILES,
            connections,
        )


def listen(loop: Loop, run: Path, commands: Mapping[str, ControlCommand]) -> ControlServer:
    """The control socket. Raises CannotStart."""
    try:
        return ControlServer(loop, run / CONTROL_SOCKET, commands)
    except OSError as trouble:
        raise CannotStart(f"cannot make the control socket in {run}: {trouble.strerror or trouble}") from None
