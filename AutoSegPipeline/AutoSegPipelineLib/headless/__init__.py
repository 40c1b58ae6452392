"""Command line and composition root for plain Python."""
