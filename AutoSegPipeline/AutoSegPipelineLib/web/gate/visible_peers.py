"""Which archives somebody may search, and whose fetches one may see: a search shows names of patients."""

from __future__ import annotations

from ...core.errors import PipelineError
from ...core.pacs.config import PacsConfig, Peer
from ...core.pacs.fetches import Fetch
from ...core.pacs.store import PacsStore
from .principal import ADMIN, OPERATOR, Principal

DOOR = "web"


class VisiblePeers:
    """For one ``principal``; what is not visible does not exist.

    ``visible_to`` of a peer names who may; without it every operator may who sees all jobs, so with the
    setting ``visibility`` ``own`` only admins. Without accounts there is one person.
    """

    def __init__(self, config: PacsConfig, principal: Principal, visibility: str) -> None:
        self._config = config
        self._principal = principal
        self._sees_all = principal.via == "open" or principal.is_at_least(ADMIN)
        self._visibility = visibility

    @property
    def is_admin(self) -> bool:
        """Whether the operation of the PACS is shown: everybody's fetches, who was refused."""
        return self._sees_all

    def peers(self) -> dict[str, Peer]:
        """By name."""
        return {name: peer for name, peer in self._config.peers.items() if self._may(peer)}

    def check(self, name: str) -> None:
        """Raise ``pacs.unknown_peer`` for one that does not exist or is not visible."""
        if name not in self.peers():
            raise PipelineError("pacs.unknown_peer", f"there is no archive {name!r}")

    def fetches(self, store: PacsStore | None, limit: int = 100) -> list[Fetch]:
        """The newest first; those of others are for admins."""
        if store is None:
            return []
        by = None if self._sees_all else self._principal.name
        return store.fetches.list(limit, DOOR, by)

    def fetch(self, store: PacsStore | None, number: int) -> Fetch:
        """One of them. Raises ``request.not_found``."""
        found = store.fetches.get(number) if store is not None else None
        own = found is not None and (found.order.door, found.order.by) == (DOOR, self._principal.name)
        if found is None or not (own or self._sees_all):
            raise PipelineError("request.not_found", f"there is no fetch {number}")
        return found

    def sees_entry(self, title: str) -> bool:
        """Whether what came under one of our titles is shown: as the jobs of that entry are."""
        if self._sees_all or self._visibility != "own":
            return True
        entry = self._config.entry(title)
        return entry is not None and self._principal.name in entry.visible_to

    def _may(self, peer: Peer) -> bool:
        if self._sees_all:
            return True
        if not self._principal.is_at_least(OPERATOR):
            return False
        if peer.visible_to:
            return self._principal.name in peer.visible_to
        return self._visibility != "own"
