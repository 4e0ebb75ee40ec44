"""SCSI Block Commands (SBC-4): disks."""
