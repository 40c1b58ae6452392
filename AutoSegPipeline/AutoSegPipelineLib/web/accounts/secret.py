"""Random secrets that are shown once and kept as a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_BYTES = 32  # 256 bits: guessing is hopeless, so one pass of SHA-256 is enough to keep it


def new_secret(prefix: str = "") -> str:
    """A fresh one, of letters that a URL and a header take."""
    return prefix + secrets.token_urlsafe(_BYTES)


def hash_of(secret: str) -> str:
    """Under which it is kept."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_id() -> str:
    """A short public name for a token or link; it opens nothing."""
    return secrets.token_hex(4)


def proof_of(secret: str, purpose: str) -> str:
    """What only somebody who has ``secret`` can tell; it does not give the secret away."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), purpose.encode(), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
