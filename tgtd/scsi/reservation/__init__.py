"""Reservations of a logical unit: persistent ones (SPC-5 5.14) and those of RESERVE and RELEASE (SPC-2 5.5).

What a command may do is decided on plain data; keeping that data is a store's affair (`reservations.Store`).
"""
