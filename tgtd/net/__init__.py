"""Network transports: they turn what a wire carries into SCSI tasks and back. Imports scsi only."""
