"""From an intent to a queued case: bytes into the home, inspection, options, refusals."""
