"""Benchmarks: what a command costs. `make bench` runs all; the machine should have nothing else to do."""
