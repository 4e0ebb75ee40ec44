"""Transports of the kernel's own: its SCSI target core hands commands over through TCMU, for every fabric it has."""
