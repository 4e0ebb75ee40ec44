"""Stream commands (SSC-5): tape drives."""
