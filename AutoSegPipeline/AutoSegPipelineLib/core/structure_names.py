"""Machine names of structures, the same for people, engines and checks. Pure."""

from __future__ import annotations

import re
import unicodedata


def machine_name(text: str) -> str:
    """``Left lung (upper)`` -> ``left_lung_upper``; a machine name (``vertebrae_L2``) stays."""
    folded = unicodedata.normalize("NFC", text.strip())
    if "_" in folded and re.fullmatch(r"\w{1,80}", folded):
        return folded
    folded = folded.casefold()
    return re.sub(r"[^\w]+", "_", folded).strip("_")[:80] or "segment"
