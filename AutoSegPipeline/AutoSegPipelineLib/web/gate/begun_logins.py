"""Logins that are on their way through the provider, in memory only: a restart ends them."""

from __future__ import annotations

import time
from collections import Counter
from typing import Callable

from ..accounts.secret import hash_of
from .provider import Begun

SECONDS = 600  # from the link to the way back
_MOST = 1000


class BegunLogins:
    """One for an application. Where there are too many, the address that began most loses its oldest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[Begun, str]] = {}  # the oldest first

    def add(self, begun: Begun, address: str) -> None:
        """Remember a login that ``address`` has begun."""
        now = self._clock()
        for key in [key for key, (one, _) in self._kept.items() if now - one.at > SECONDS]:
            del self._kept[key]
        if len(self._kept) >= _MOST:
            ((greedy, _),) = Counter(whose for _, whose in self._kept.values()).most_common(1)
            del self._kept[next(key for key, (_, whose) in self._kept.items() if whose == greedy)]
        self._kept[hash_of(begun.state)] = (begun, address)

    def take(self, state: str) -> Begun | None:
        """The login of this state, once; None where there is none or it took too long."""
        found = self._kept.pop(hash_of(state), None)
        return None if found is None or self._clock() - found[0].at > SECONDS else found[0]
