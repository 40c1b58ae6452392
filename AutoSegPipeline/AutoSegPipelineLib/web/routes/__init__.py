"""One module a noun; each exports ``router``."""
