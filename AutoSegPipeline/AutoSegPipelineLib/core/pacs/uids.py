"""UIDs of the objects that we make: the same for the same job, so that what is sent twice is there once."""

from __future__ import annotations

import hashlib
import hmac

from ..errors import PipelineError
from ..store import Store


def home_secret(store: Store) -> str:
    """The home's secret for :func:`object_uid`, which its first inspection has made.

    Raises ``pacs.no_source_headers`` where nothing was ever inspected.
    """
    found = store.meta.get("secret")
    if found is None:
        raise PipelineError("pacs.no_source_headers", "This home has not inspected any case yet.")
    return str(found)


def object_uid(secret: str, job: str, version: int, kind: str) -> str:
    """The UID of what ``kind`` (``seg``, ``report`` ...) is made of this version of a job.

    ``secret`` is the home's: nobody else comes to the same UID, nor from it to the job.
    """
    text = "\0".join((job, str(version), kind))
    return _uid(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def derived_uid(uid: str, *parts: object) -> str:
    """A further UID that follows from ``uid``: of a series, an instance, a tracked structure."""
    return _uid(hashlib.sha256("\0".join((uid, *map(str, parts))).encode()).digest())


def _uid(digest: bytes) -> str:
    """A UUID (name-based by its own marks) below ``2.25`` (PS3.5 B.2)."""
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76  # version 8: by a rule of the maker
    number = number & ~(0x3 << 62) | 2 << 62  # variant of RFC 9562
    return f"2.25.{number}"
