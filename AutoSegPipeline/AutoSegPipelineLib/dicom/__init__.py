"""Studies from and to a PACS."""
