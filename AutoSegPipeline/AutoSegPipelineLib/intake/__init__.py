"""Everything that reads what came in: sniffing, grouping, archives, staging, inspection."""
