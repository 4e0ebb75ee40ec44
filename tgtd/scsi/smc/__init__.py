"""Media changer commands (SMC-3)."""
