"""Which series of a study are processed, and why the others are not."""
