"""The tables of reservations: types, and which commands another's reservation stops (SPC-5 5.14.1, SBC-4 4.17).

A command's row names its class in `Command.reservation`:

| class    | for example           | another's Write Exclusive | another's Exclusive Access | another's RESERVE |
| -------- | --------------------- | ------------------------- | -------------------------- | ----------------- |
| always   | INQUIRY               | allowed                   | allowed                    | allowed           |
| allowed  | TEST UNIT READY       | allowed                   | allowed                    | conflict          |
| read     | READ, MODE SENSE      | allowed                   | conflict                   | conflict          |
| write    | WRITE, UNMAP          | conflict                  | conflict                   | conflict          |
| conflict | MODE SELECT           | conflict                  | conflict                   | conflict          |
| own      | PERSISTENT RESERVE OUT | the command sees to it itself                                              |||

"Registrants only" and "all registrants" stop those that are not registered, the others everybody but the holder.
"""

from __future__ import annotations

from typing import NamedTuple

CLASSES = frozenset({"always", "allowed", "read", "write", "conflict", "own"})

NOTHING: frozenset[str] = frozenset()
WRITES = frozenset({"write", "conflict"})
READS_AND_WRITES = WRITES | {"read"}
ALL_BUT_ALWAYS = READS_AND_WRITES | {"allowed"}
"""What another's RESERVE stops (SPC-2 5.5.1)."""


class Type(NamedTuple):
    """A type of persistent reservation (SPC-5 6.16.3.4). bars: the classes of commands that it stops."""

    code: int
    name: str
    bars: frozenset[str]
    registrants: bool
    """Whoever is registered is let through ("registrants only", "all registrants")."""
    everyone: bool
    """Whoever is registered holds it ("all registrants")."""


TYPES = {
    row.code: row
    for row in (
        Type(0x1, "Write Exclusive", WRITES, False, False),
        Type(0x3, "Exclusive Access", READS_AND_WRITES, False, False),
        Type(0x5, "Write Exclusive - Registrants Only", WRITES, True, False),
        Type(0x6, "Exclusive Access - Registrants Only", READS_AND_WRITES, True, False),
        Type(0x7, "Write Exclusive - All Registrants", WRITES, True, True),
        Type(0x8, "Exclusive Access - All Registrants", READS_AND_WRITES, True, True),
    )
}
"""By the code of the TYPE field."""
