"""Keyed hashes of series UIDs, which themselves could lead back to the patient."""

from __future__ import annotations

import hashlib
import hmac
import uuid

from ..context import Context


class SeriesKeys:
    """One secret per home, made when it is first needed."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def secret(self) -> str:
        """The key of the hashes."""
        found = self._context.store.meta.get("secret")
        if found is None:
            found = uuid.uuid4().hex
            self._context.store.meta.set("secret", found)
        return str(found)

    def of(self, series_uid: str) -> str:
        """What stands for this series instance UID in rows and names."""
        return hmac.new(self.secret().encode(), series_uid.encode(), hashlib.sha256).hexdigest()[:32]
