"""A tape cartridge in one file: what tape drives keep their data on. The format is described in tgtd-tape(5)."""
