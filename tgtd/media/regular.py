"""Opening and locking regular files: what goes wrong as a rule, told with what to do (open(2), fcntl(2)).

The lock keeps a second daemon, or an emulator that also locks, from using the same file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import struct

from tgtd.media.problem import MediumError


def explain(error: OSError, path: str, writable: bool) -> MediumError:
    """The usual ways in which opening goes wrong, with what to do."""
    number = error.errno or errno.EIO
    if number == errno.ENOENT:
        advice = (
            "create it, or set create = true and a size" if writable else "create it: for a read-only LUN none is made"
        )
        return MediumError(number, f"{path} does not exist", advice)
    if number in (errno.EACCES, errno.EPERM):
        mode = "read and write" if writable else "read"
        return MediumError(number, f"the daemon may not {mode} {path}", f"give {_user()} the permission")
    if number == errno.EROFS:
        return MediumError(
            number,
            f"the file system of {path} is read-only for the daemon",
            "name its directory in ReadWritePaths= (systemctl edit tgtd) if the service keeps the daemon out, remount "
            "it, or set read_only = true for the LUN",
        )
    if number == errno.EISDIR:
        return MediumError(number, f"{path} is a directory", "name a file in it")
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return MediumError(number, f"{path}: {os.strerror(number)}", "choose a smaller size or another file system")
    return MediumError(number, f"{path}: {os.strerror(number)}", "check the path and the file system it is on")


def explain_creation(error: OSError, path: str) -> MediumError:
    """The same for a file that is to be made."""
    number, directory = error.errno or errno.EIO, os.path.dirname(path)
    if number == errno.ENOENT:
        return MediumError(
            number, f"the directory {directory} does not exist", "make it, or mount the file system that holds it"
        )
    if number in (errno.EACCES, errno.EPERM):
        return MediumError(
            number,
            f"the daemon may not create files in {directory}",
            f"let {_user()} write there, or make {path} for it",
        )
    return explain(error, path, True)


def _user() -> str:
    """Whom the daemon runs as, for advice."""
    number = os.geteuid()
    try:
        return f"its user, {pwd.getpwuid(number).pw_name},"
    except KeyError:
        return f"its user, number {number},"


def lock(fd: int, path: str, writable: bool) -> None:
    """A whole-file open file description lock, so that it goes when the descriptor does; readers share theirs."""
    kind = fcntl.F_WRLCK if writable else fcntl.F_RDLCK
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0))
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise MediumError(
                error.errno or errno.ENOLCK,
                f"{path} cannot be locked: {error.strerror}",
                "use a file system with locks, so that two daemons cannot write to one file",
            ) from error
        raise MediumError(
            errno.EBUSY,
            f"{path} is in use by another LUN or program",
            "find it with `lslocks` and stop it, or give this LUN another file",
        ) from error
