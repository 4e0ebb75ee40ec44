"""What the administrator wishes: data and decisions about it, no devices. Imports no other room."""
