"""Everything about accounts in one file of its own, each table behind a small class."""

from __future__ import annotations

import sqlite3
import stat
import sys
from pathlib import Path

from ...core.clock import Clock, SystemClock
from ...core.files import create_private
from ...core.home import Home
from ...core.store.database import Database
from .audit import KEEP_DAYS, Audit
from .backoff import BackOff
from .links import Links
from .refused_callers import RefusedCallers
from .schema import MIGRATIONS
from .second_factor import SecondFactors
from .sessions import Sessions
from .tokens import Tokens
from .users import Users

FILE = "accounts.sqlite"


class Accounts:
    """``users``, ``sessions``, ``tokens``, ``links``, ``second_factors``, ``backoff`` and more.

    One connection, used from one thread. Only hashing a password takes longer than a moment;
    the web runs that part elsewhere (:mod:`..gate.password_login`).
    """

    def __init__(self, path: Path, clock: Clock | None = None, audit_days: float = KEEP_DAYS) -> None:
        clock = clock or SystemClock()
        _make_private(path)
        self._database = Database(path, MIGRATIONS)
        self.users = Users(self._database, clock)
        self.sessions = Sessions(self._database, clock)
        self.tokens = Tokens(self._database, clock)
        self.links = Links(self._database, clock)
        self.second_factors = SecondFactors(self._database, clock)
        self.backoff = BackOff(self._database, clock)
        self.audit = Audit(self._database, clock, audit_days)
        self.refused_callers = RefusedCallers(self._database, clock, self.audit)

    @classmethod
    def of(cls, home: Home, clock: Clock | None = None, audit_days: float = KEEP_DAYS) -> Accounts:
        """Those of a home; the file is made where it is missing."""
        return cls(home.state / FILE, clock, audit_days)

    def ends(self) -> int:
        """Rises whenever a login, token or link has ended or a role changed, in whatever process."""
        row = self._database.row("SELECT value FROM meta WHERE key = 'ends'")
        return 0 if row is None else int(row["value"])

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _make_private(path: Path) -> None:
    """The file belongs to its user alone, whatever the umask; so do SQLite's files beside it."""
    create_private(path)
    if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)


def accounts_exist(home: Home) -> bool:
    """Whether anybody has to log in; nothing is made by asking."""
    path = home.state / FILE
    if not path.exists():
        return False
    connection = sqlite3.connect(str(path), timeout=30)
    try:
        return connection.execute("SELECT 1 FROM users LIMIT 1").fetchone() is not None
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):  # made a moment ago
            return False
        raise  # to say no without having looked would let everybody in
    finally:
        connection.close()
