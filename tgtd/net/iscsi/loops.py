"""What this room asks of the daemon's event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Loop(Protocol):
    """See tgtd.loop.Loop; a test may bring its own."""

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None: ...

    def rewatch(self, fd: int, events: int) -> None: ...

    def unwatch(self, fd: int) -> None: ...

    def call_soon(self, function: Callable[[], object]) -> None: ...

    def call_later(self, seconds: float, function: Callable[[], object]) -> Timer: ...

    def at_turn_end(self, function: Callable[[], object]) -> None: ...

    def time(self) -> float: ...
