"""Bundles: cases in a folder on a share, for workers on other machines."""
