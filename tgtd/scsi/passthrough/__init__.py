"""A real SCSI device of this host, handed on to initiators as it is."""
