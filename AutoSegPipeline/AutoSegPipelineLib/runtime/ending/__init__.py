"""The end of a case: results become public, inputs are disposed of, old things are purged."""
