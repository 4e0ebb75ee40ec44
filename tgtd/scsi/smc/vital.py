"""VPD pages of media changers, as rows (SPC-5 7.7)."""

from __future__ import annotations

from tgtd.scsi.inquiry import EXTENDED, IDENTIFICATION, SERIAL, SUPPORTED

VITAL_PAGES = (SUPPORTED, SERIAL, IDENTIFICATION, EXTENDED)
