"""The table over all cases, as the page serves it."""
