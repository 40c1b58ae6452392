"""Who may ask what from where: hosts, identities, roles, limits, the audit trail."""
