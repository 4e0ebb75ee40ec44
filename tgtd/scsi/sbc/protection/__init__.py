"""Protection information: eight bytes beside each block that tell whether it is what was written (SBC-4 4.21)."""
