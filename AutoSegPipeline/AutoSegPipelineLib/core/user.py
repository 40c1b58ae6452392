"""Who runs this program."""

from __future__ import annotations

import getpass


def user_name() -> str:
    """Who asks, for the books; empty where the system has no name for this user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
