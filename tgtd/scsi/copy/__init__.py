"""Third-party copy: a disk that moves data between units by itself (SPC-5 5.18, SBC-4 4.28)."""
