"""What a spreadsheet makes of a text that it opens."""

from __future__ import annotations


def defused(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
