"""How many requests may come from one place: buckets that fill again, in memory only.

Failed logins have limits of their own that outlive a restart (:mod:`..accounts.backoff`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Callable

from ...core.errors import PipelineError


@dataclass(frozen=True)
class Rate:
    """``burst`` requests at once, ``per_second`` in the long run."""

    burst: float
    per_second: float


# Whoever is known works with thousands of slices and files; strangers log in or open a link.
KNOWN = Rate(6000, 200)
STRANGER = Rate(300, 5)
# A class behind one address opens the same link: each of them some hundred files within a minute.
LINK = Rate(6000, 100)
ACCOUNT = Rate(120, 1)  # changes of passwords, tokens, links, accounts: by people, not by programs
_MOST = 10000  # buckets


class RateLimits:
    """One for an application."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, Rate], tuple[float, float]] = {}  # what is left, and when

    def take(self, who: str, rate: Rate) -> None:
        """Count one request of ``who``. Raises ``request.too_many`` with the seconds to wait."""
        now = self._clock()
        left, at = self._buckets.get((who, rate), (rate.burst, now))
        left = min(rate.burst, left + (now - at) * rate.per_second)
        if left < 1:
            seconds = math.ceil((1 - left) / rate.per_second)
            raise PipelineError(
                "request.too_many",
                f"too many requests; try again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )
        if len(self._buckets) >= _MOST:
            self._forget(now)
        self._buckets[(who, rate)] = (left - 1, now)

    def _forget(self, now: float) -> None:
        """Those that are full again say nothing; of the others the oldest go."""
        kept = {
            key: (left, at)
            for key, (left, at) in self._buckets.items()
            if left + (now - at) * key[1].per_second < key[1].burst
        }
        newest = sorted(kept.items(), key=lambda one: one[1][1])[-_MOST // 2 :]
        self._buckets = dict(newest)


def rate_of(method: str, path: str, via: str) -> Rate | None:
    """The rate of a request; None for what is never limited: the page's own files, and health.

    ``via`` is that of the :class:`~.principal.Principal` who asks, empty for strangers.
    """
    if path.startswith(("/static/", "/assets/", "/healthz", "/favicon.ico")) or path == "/metrics":
        return None
    if not via:
        return STRANGER
    account = ("/api/v1/account", "/api/v1/users", "/api/v1/links", "/login", "/logout", "/api/v1/session")
    if method not in ("GET", "HEAD") and path.startswith(account):
        return ACCOUNT
    return LINK if via == "share" else KNOWN
