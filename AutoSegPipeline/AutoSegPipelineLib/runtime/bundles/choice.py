"""Which case of a bundle a worker takes next."""

from __future__ import annotations

from collections import deque

from ...core.bundles.claims import Claim, Owner, Sight, take
from ...core.bundles.layout import Bundle, BundleList, CaseFolder
from ...core.clock import Clock


class Choice:
    """The cases without a result, in the order of the list; those of other workers last."""

    def __init__(
        self, bundle: Bundle, listed: BundleList, owner: Owner, clock: Clock, stale_seconds: float
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._stale_seconds = stale_seconds
        self._open = deque(bundle.folder(entry) for entry in listed.cases)
        self._elsewhere: list[tuple[CaseFolder, Sight]] = []

    @property
    def waits(self) -> bool:
        """Whether a case is with a worker that may have ended: nobody saw its count change yet."""
        return any(not sight.is_alive for _, sight in self._elsewhere)

    @property
    def left(self) -> int:
        """How many cases had no result when they were last looked at."""
        return len(self._open) + len(self._elsewhere)

    def put_back(self, folder: CaseFolder) -> None:
        """A case that was taken and has no result is the next one again, or watched where somebody has it."""
        self._open.appendleft(folder)

    def take(self) -> Claim | None:
        """The next case, or None where there is none now; raises OSError, after which nothing is lost."""
        while self._open:
            folder = self._open[0]
            if not folder.is_finished:
                number = folder.claim_number()
                claim = take(folder, 1, self._owner) if number == 0 else None
                if claim is not None:
                    self._open.popleft()
                    return claim
                self._elsewhere.append((folder, Sight(folder, self._clock.monotonic())))
            self._open.popleft()
        return self._take_over()

    def _take_over(self) -> Claim | None:
        self._elsewhere = [pair for pair in self._elsewhere if not pair[0].is_finished]
        for pair in self._elsewhere:
            folder, sight = pair
            if sight.may_be_taken(self._clock.monotonic(), self._stale_seconds):
                claim = take(folder, sight.number + 1, self._owner)
                if claim is not None:
                    self._elsewhere.remove(pair)
                    return claim
        return None
