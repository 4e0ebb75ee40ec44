"""tgtd, a SCSI target daemon: the floor plan.

wires → grammar ← media. Transports carry bytes in and out, a pure SCSI core decides, media keep the data. A
configuration is a wish: it is compared with what runs, and only the difference is applied.

    scsi/      the grammar: tasks, logical units, sense; spc/, sbc/ and ssc/ are its command sets. Pure: no I/O.
    media/     what devices keep their data on: file, block device, RAM, null, tape cartridge; filters before them; a
               real SCSI device. Imports scsi only.
    net/       network transports: iscsi/. Imports scsi only.
    hw/        transports of the kernel's target core, by TCMU: Fibre Channel, SRP and others. Imports scsi only.
    config/    TOML files and JSON schemas → a Config, or errors; plan compares two of them. Imports no other room.
    cli/       tgtctl, one file per sub-command: speaks to the daemon through its control socket.
    crew/      several processes: the main one decides, workers serve the targets.

The files beside this one wire the rooms together: daemon (the composition root) with its loop and workers, tree and
units (what runs), devices (their types), opening (how they come by their media), reload and apply (one configuration to
the next), ledger and memories (what outlives the process), control and requests (the admin socket), and others.

ARCHITECTURE.md walks one READ(10) and one edit of a file through all of it.
"""

from __future__ import annotations

__version__ = "0.1.0"
