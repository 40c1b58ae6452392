"""Contracts and state shared by every part. Standard library only."""
