"""The SCSI grammar: pure decisions about tasks, logical units and sense. Imports no other room, does no I/O."""
