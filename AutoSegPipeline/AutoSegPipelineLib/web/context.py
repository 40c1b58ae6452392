"""What every route shares: made once per application, at ``request.app.state.context``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..core.clock import Clock, SystemClock
from ..core.home import Home
from ..core.store import Store
from .accounts.accounts import Accounts
from .config import WebConfig


@dataclass
class WebContext:
    """One store connection, used from the event loop's thread only: its calls are short."""

    config: WebConfig
    home: Home
    store: Store
    clock: Clock
    accounts: Accounts  # users, sessions, tokens, links and the audit log
    port: int = 0  # the one that was bound
    shared: dict[str, Any] = field(default_factory=dict)  # parts that live as long as the application

    @classmethod
    def of(cls, config: WebConfig, clock: Clock | None = None) -> WebContext:
        """Open the home that ``config`` names."""
        clock = clock or SystemClock()
        home = config.home
        store = Store(home.store, clock)
        return cls(config, home, store, clock, Accounts.of(home, clock, config.audit_days))

    def close(self) -> None:
        """Let go of the files."""
        self.accounts.close()
        self.store.close()


def context_of(request: Any) -> WebContext:
    """The context of the application that serves ``request``; usable as a FastAPI dependency."""
    context: WebContext = request.app.state.context
    return context
