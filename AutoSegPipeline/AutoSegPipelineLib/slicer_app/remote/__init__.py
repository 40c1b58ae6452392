"""Another machine's pipeline seen from this Slicer: its jobs in the panel, volumes to it, results from it."""
