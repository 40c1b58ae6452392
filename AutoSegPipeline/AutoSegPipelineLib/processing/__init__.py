"""From a staged scan to verified result files; runs in a worker process."""
