"""Why a medium cannot be opened or used, in words for the administrator."""

from __future__ import annotations


class MediumError(OSError):
    """An OSError with its cause in plain words and what to do about it.

    str() gives both. `advice` is the second half alone.
    """

    def __init__(self, number: int, cause: str, advice: str) -> None:
        super().__init__(number, cause)
        self.cause = cause
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.cause}; {self.advice}"
