"""SCSI Primary Commands (SPC-5): what every device type answers."""
