"""Callers that the DICOM receiver refused, from its table of counts into the audit log, each time once."""

from __future__ import annotations

import hashlib
from typing import Sequence

from ...core.clock import Clock, rfc3339
from ...core.pacs.refusals import Refusal
from ...core.store.database import Database
from .audit import Audit

WHAT = "dicom.refused"
AGAIN_SECONDS = 60.0  # one that keeps calling is one line a minute
MOST_LINES = 20  # of one look: whoever calls under ever new names must not push out what others did


class RefusedCallers:
    """The table ``refused_callers``: how much of each row of the other table is in the log."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def note(self, refusals: Sequence[Refusal]) -> None:
        """Add lines for what is new in ``refusals``, which are all that there are."""
        now = self._clock.now()
        with self._database.transaction():
            noted = self._noted()
            due: list[tuple[str, Refusal, int]] = []
            for one in sorted(refusals, key=lambda one: one.last):
                first, count, at = noted.get(_key(one), (one.first, 0, 0.0))
                before = count if first == one.first else 0  # the row went, and came again
                if one.count > before and not 0 <= now - at < AGAIN_SECONDS:
                    due.append((_key(one), one, one.count - before))
            for _, one, times in due[:MOST_LINES]:
                self._line(one, times)
            self._further(due[MOST_LINES:])
            for key, one, _ in due:
                self._database.execute(
                    "INSERT OR REPLACE INTO refused_callers VALUES (?, ?, ?, ?)",
                    (key, one.first, one.count, now),
                )
            for key in set(noted) - {_key(one) for one in refusals}:
                self._database.execute("DELETE FROM refused_callers WHERE key = ?", (key,))

    def _noted(self) -> dict[str, tuple[float, int, float]]:
        rows = self._database.rows("SELECT * FROM refused_callers")
        return {row["key"]: (float(row["first"]), int(row["count"]), float(row["at"])) for row in rows}

    def _line(self, one: Refusal, times: int) -> None:
        when = f"last {rfc3339(one.last)}"
        total = f"{times} of {one.count} times since {rfc3339(one.first)}, {when}"
        called = f", calling {one.called}" if one.called else ""
        shown = f", certificate {one.certificate}" if one.certificate else ""
        detail = f"{total}{called}: {one.reason}{shown}"
        self._audit.note(WHAT, one.title, via="dicom", address=one.address, detail=detail, ok=False)

    def _further(self, rest: list[tuple[str, Refusal, int]]) -> None:
        if not rest:
            return
        times = sum(count for _, _, count in rest)
        first, last = min(one.first for _, one, _ in rest), max(one.last for _, one, _ in rest)
        detail = (
            f"{times} times by {len(rest)} further callers since {rfc3339(first)}, last {rfc3339(last)}; "
            "`autoseg dicom status` lists them"
        )
        self._audit.note(WHAT, "", via="dicom", detail=detail, ok=False)


def _key(one: Refusal) -> str:
    parts = (one.title, one.called, one.address, one.certificate, one.reason)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
