"""What an account may do, least first."""

from __future__ import annotations

VIEWER = "viewer"  # sees and downloads
OPERATOR = "operator"  # uploads; cancels, retries, reorders and deletes its own
ADMIN = "admin"  # everything, the audit log included
ROLES = (VIEWER, OPERATOR, ADMIN)
PATTERN = f"^({'|'.join(ROLES)})$"  # of one of them in a request


def at_least(role: str, wanted: str) -> bool:
    """Whether ``role`` includes ``wanted``."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(wanted)


def lesser(one: str, other: str) -> str:
    """The role that both include."""
    return min(one, other, key=ROLES.index)
