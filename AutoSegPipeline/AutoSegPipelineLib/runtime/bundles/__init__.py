"""The worker of bundles: one warm engine process, one case after the other, results beside the cases."""
