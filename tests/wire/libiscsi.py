"""libiscsi's own calls, for what its programs have no words for: an initiator that we did not write."""

from __future__ import annotations

import ctypes
from typing import Any, Self

_NORMAL = 2


class Basic(ctypes.Structure):
    """struct scsi_persistent_reserve_out_basic"""

    _fields_ = (
        ("reservation_key", ctypes.c_uint64),
        ("service_action_reservation_key", ctypes.c_uint64),
        ("spec_i_pt", ctypes.c_uint8),
        ("all_tg_pt", ctypes.c_uint8),
        ("aptpl", ctypes.c_uint8),
    )


class Keys(ctypes.Structure):
    """struct scsi_persistent_reserve_in_read_keys, without the keys"""

    _fields_ = (
        ("prgeneration", ctypes.c_uint32),
        ("additional_length", ctypes.c_uint32),
        ("num_keys", ctypes.c_int),
        ("align", ctypes.c_int),
    )


class Reservation(ctypes.Structure):
    """struct scsi_persistent_reserve_in_read_reservation"""

    _fields_ = (
        ("prgeneration", ctypes.c_uint32),
        ("additional_length", ctypes.c_uint32),
        ("reserved", ctypes.c_int),
        ("reservation_key", ctypes.c_uint64),
        ("pr_scope", ctypes.c_uint8),
        ("pr_type", ctypes.c_uint8),
    )


def load() -> Any:
    """The library. Raises OSError when it is not installed."""
    library = ctypes.CDLL("libiscsi.so.7")
    for name in (
        "iscsi_create_context",
        "iscsi_persistent_reserve_out_sync",
        "iscsi_persistent_reserve_in_sync",
        "iscsi_write10_sync",
        "scsi_datain_unmarshall",
    ):
        getattr(library, name).restype = ctypes.c_void_p
    library.iscsi_get_error.restype = ctypes.c_char_p
    return library


class Gone(Exception):
    """The connection broke."""


class Node:
    """A session of one initiator port, on one LUN. Its ISID is `number`: it is the same port when it comes back."""

    def __init__(self, port: int, target: str, lun: int, name: str, number: int) -> None:
        self._library = load()
        self._lun = lun
        self._context = ctypes.c_void_p(self._library.iscsi_create_context(name.encode()))
        self._library.iscsi_set_noautoreconnect(self._context, 1)
        self._library.iscsi_set_timeout(self._context, 20)
        self._library.iscsi_set_isid_oui(self._context, number, 0)
        self._library.iscsi_set_session_type(self._context, _NORMAL)
        self._library.iscsi_set_targetname(self._context, target.encode())
        if self._library.iscsi_full_connect_sync(self._context, f"127.0.0.1:{port}".encode(), lun):
            raise Gone(self._library.iscsi_get_error(self._context).decode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._library.iscsi_destroy_context(self._context)

    def reserve_out(self, action: int, key: int, new_key: int = 0, kind: int = 0, aptpl: bool = False) -> int:
        """PERSISTENT RESERVE OUT; the status. Raises Gone."""
        basic = Basic(key, new_key, 0, 0, aptpl)
        task = self._library.iscsi_persistent_reserve_out_sync(
            self._context, self._lun, action, 0, kind, ctypes.byref(basic)
        )
        return self._end(task)

    def write(self, data: bytes) -> int:
        """WRITE(10) to the first block; the status. Raises Gone."""
        task = self._library.iscsi_write10_sync(self._context, self._lun, 0, data, len(data), len(data), 0, 0, 0, 0, 0)
        return self._end(task)

    def keys(self) -> tuple[int, list[int]]:
        """PRGENERATION and the keys."""
        task = self._reserve_in(0)
        found = self._library.scsi_datain_unmarshall(task)
        head = Keys.from_address(found)
        keys = (ctypes.c_uint64 * head.num_keys).from_address(found + ctypes.sizeof(Keys))
        told = head.prgeneration, list(keys)
        self._library.scsi_free_scsi_task(task)
        return told

    def held(self) -> tuple[int, int] | None:
        """Key and type of the reservation."""
        task = self._reserve_in(1)
        found = Reservation.from_address(self._library.scsi_datain_unmarshall(task))
        told = (found.reservation_key, found.pr_type) if found.reserved else None
        self._library.scsi_free_scsi_task(task)
        return told

    def _reserve_in(self, action: int) -> ctypes.c_void_p:
        task = self._library.iscsi_persistent_reserve_in_sync(self._context, self._lun, action, 4096)
        if not task:
            raise Gone(self._library.iscsi_get_error(self._context).decode())
        return ctypes.c_void_p(task)

    def _end(self, task: int | None) -> int:
        if not task:
            raise Gone(self._library.iscsi_get_error(self._context).decode())
        status = ctypes.c_int.from_address(task).value
        self._library.scsi_free_scsi_task(ctypes.c_void_p(task))
        if status > 0xFF:  # SCSI_STATUS_CANCELLED and its like, which come from the library
            raise Gone(self._library.iscsi_get_error(self._context).decode())
        return status
