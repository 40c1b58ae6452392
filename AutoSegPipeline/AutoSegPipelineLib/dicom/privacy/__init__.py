"""De-identification of what leaves, and the way back for what returns."""
