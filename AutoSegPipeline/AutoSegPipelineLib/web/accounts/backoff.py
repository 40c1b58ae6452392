"""Failed logins make the next ones wait: for an account from one place, for an account, for a place."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass

from ...core.clock import Clock
from ...core.errors import PipelineError
from ...core.store.database import Database
from .secret import hash_of


@dataclass(frozen=True)
class Rule:
    """After ``free`` failures the wait begins at one second and doubles up to ``longest`` seconds."""

    free: int
    longest: float

    def wait(self, count: int) -> float:
        """Seconds after failure number ``count``."""
        over = count - self.free
        return 0.0 if over < 0 else min(self.longest, 2.0 ** min(over, 30))


# The account's own rule is mild: strangers must not be able to lock somebody out for long.
_RULES = {"pair": Rule(5, 900.0), "account": Rule(20, 60.0), "address": Rule(30, 900.0)}
_FORGET = 86400.0  # seconds without a failure
_MOST = 20000  # rows; beyond, the oldest go


class BackOff:
    """The table ``failures``. Names are kept as hashes: people type passwords into the wrong field."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, name: str, address: str) -> None:
        """Count an attempt as failed before it is looked at, so that many at once gain nothing.

        Raises ``account.too_many`` with ``data["seconds"]`` while it has to wait; unknown and
        known names alike.
        """
        now = self._clock.now()
        keys = _keys(name, address)
        with self._database.transaction(durable=False):
            self._database.execute("DELETE FROM failures WHERE last < ?", (now - _FORGET,))
            wait = max(self._wait(rule, key, now) for rule, key in keys.items())
            if wait <= 0:
                for key in keys.values():
                    self._add(key, now)
                self._trim()
        if wait > 0:
            seconds = math.ceil(wait)
            raise PipelineError(
                "account.too_many", f"too many logins failed; try again in {seconds} s", seconds=seconds
            )

    def succeeded(self, name: str, address: str) -> None:
        """The attempt was right after all: forget the account's failures, and this one of the place."""
        keys = _keys(name, address)
        with self._database.transaction(durable=False):
            for rule in ("pair", "account"):
                self._database.execute("DELETE FROM failures WHERE key = ?", (keys[rule],))
            self._database.execute("UPDATE failures SET count = count - 1 WHERE key = ?", (keys["address"],))

    def _wait(self, rule: str, key: str, now: float) -> float:
        row = self._database.row("SELECT count, last FROM failures WHERE key = ?", (key,))
        if row is None:
            return 0.0
        # A clock that was set back must not make anybody wait longer than the rule says.
        return _RULES[rule].wait(int(row["count"])) - max(0.0, now - float(row["last"]))

    def _add(self, key: str, now: float) -> None:
        self._database.execute("INSERT OR IGNORE INTO failures VALUES (?, 0, ?)", (key, now))
        self._database.execute("UPDATE failures SET count = count + 1, last = ? WHERE key = ?", (now, key))

    def _trim(self) -> None:
        self._database.execute(
            "DELETE FROM failures WHERE key NOT IN (SELECT key FROM failures ORDER BY last DESC LIMIT ?)",
            (_MOST,),
        )


def _keys(name: str, address: str) -> dict[str, str]:
    account, place = hash_of(name.strip().lower()), _network(address)
    return {"pair": f"{account} {place}", "account": account, "address": place}


def _network(address: str) -> str:
    """The address; of IPv6 the first half, which one customer has whole."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 6:
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)
