"""Child processes: how each is started, heard, watched and ended, on every system."""
