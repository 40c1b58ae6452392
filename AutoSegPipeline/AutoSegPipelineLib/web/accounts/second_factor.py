"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and codes for when it is lost."""

from __future__ import annotations

import base64
import secrets
from types import ModuleType

from ...core.clock import Clock
from ...core.errors import PipelineError
from ...core.store.database import Database
from .secret import hash_of

ISSUER = "AutoSegPipeline"
STEP = 30  # seconds for which a code holds
_DRIFT = 1  # steps by which the clocks may differ
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10  # 80 bits each: too many to guess, so one pass of SHA-256 is enough to keep them


class SecondFactors:
    """The tables ``second_factors`` and ``recovery_codes``.

    The secret of an app cannot be kept as a hash: both sides compute with it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def is_on(self, user: str) -> bool:
        """Whether a login of ``user`` needs a code besides the password."""
        sql = "SELECT 1 FROM second_factors WHERE user = ? AND confirmed IS NOT NULL"
        return self._database.row(sql, (user,)) is not None

    def begin(self, user: str) -> str:
        """A new secret (base32); it counts from :meth:`confirm` on. Raises ``account.exists``."""
        if self.is_on(user):
            raise PipelineError("account.exists", "the second factor is on; turn it off first")
        secret = str(_pyotp().random_base32(length=32))
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO second_factors VALUES (?, ?, ?, NULL, 0)",
                (user, secret, self._clock.now()),
            )
        return secret

    def address(self, user: str, secret: str) -> str:
        """What the QR code holds: an address that authenticator apps understand."""
        return str(_pyotp().TOTP(secret).provisioning_uri(name=user, issuer_name=ISSUER))

    def confirm(self, user: str, code: str) -> list[str]:
        """Turn it on with a first code; the recovery codes. Raises ``account.code_wrong``."""
        row = self._database.row("SELECT confirmed FROM second_factors WHERE user = ?", (user,))
        if row is None or row["confirmed"] is not None or not self._take_code(user, code):
            raise PipelineError(
                "account.code_wrong", "the code does not belong to this secret, or is too old"
            )
        with self._database.transaction():
            self._database.execute(
                "UPDATE second_factors SET confirmed = ? WHERE user = ?", (self._clock.now(), user)
            )
            return self._new_codes(user)

    def check(self, user: str, code: str) -> bool:
        """Whether ``code`` is one of the app or a recovery code; each of them counts once."""
        if not self.is_on(user):
            return False
        return self._take_code(user, code) or self._take_recovery(user, code)

    def renew_codes(self, user: str) -> list[str]:
        """Fresh recovery codes; the old ones end."""
        with self._database.transaction():
            return self._new_codes(user)

    def codes_left(self, user: str) -> int:
        """How many recovery codes were not used."""
        sql = "SELECT COUNT(*) AS n FROM recovery_codes WHERE user = ? AND used IS NULL"
        row = self._database.row(sql, (user,))
        return 0 if row is None else int(row["n"])

    def turn_off(self, user: str) -> None:
        """A password is enough again."""
        with self._database.transaction():
            self._database.execute("DELETE FROM second_factors WHERE user = ?", (user,))
            self._database.execute("DELETE FROM recovery_codes WHERE user = ?", (user,))

    # --- codes --------------------------------------------------------------------------------

    def _take_code(self, user: str, code: str) -> bool:
        """A code of the app that is newer than the last one that was taken."""
        digits = code.replace(" ", "")
        if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
            return False
        now = int(self._clock.now()) // STEP
        with self._database.transaction():
            row = self._database.row("SELECT secret, last_step FROM second_factors WHERE user = ?", (user,))
            if row is None:
                return False
            totp = _pyotp().TOTP(row["secret"])
            for step in range(now - _DRIFT, now + _DRIFT + 1):
                if step > row["last_step"] and secrets.compare_digest(totp.at(step * STEP), digits):
                    self._database.execute(
                        "UPDATE second_factors SET last_step = ? WHERE user = ?", (step, user)
                    )
                    return True
        return False

    def _take_recovery(self, user: str, code: str) -> bool:
        with self._database.transaction():
            taken = self._database.execute(
                "UPDATE recovery_codes SET used = ? WHERE user = ? AND hash = ? AND used IS NULL",
                (self._clock.now(), user, _kept(code)),
            )
            return bool(taken.rowcount)

    def _new_codes(self, user: str) -> list[str]:
        codes = [_readable(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
        self._database.execute("DELETE FROM recovery_codes WHERE user = ?", (user,))
        for code in codes:
            self._database.execute("INSERT INTO recovery_codes VALUES (?, ?, NULL)", (user, _kept(code)))
        return codes


def _readable(data: bytes) -> str:
    """``abcd-efgh-ijkl-mnop``: 80 bits are 16 letters of base32."""
    text = base64.b32encode(data).decode().lower()
    return "-".join(text[begin : begin + 4] for begin in range(0, len(text), 4))


def _kept(code: str) -> str:
    return hash_of("".join(char for char in code.lower() if char.isalnum()))


def _pyotp() -> ModuleType:
    try:
        import pyotp
    except ImportError as error:
        raise PipelineError("account.package_missing", f"a second factor needs pyotp: {error}") from error
    return pyotp
