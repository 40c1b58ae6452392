"""Passwords: what is allowed, and the memory-hard hash (argon2id, RFC 9106)."""

from __future__ import annotations

import unicodedata
from typing import Any

from ...core.errors import PipelineError

SHORTEST = 12
LONGEST = 1024
_JUDGED = 72  # characters
_LEAST_SCORE = 2  # of zxcvbn's 0 to 4: at least a million guesses
# The second recommendation of RFC 9106, section 4: 64 MiB, three passes, four lanes.
PARAMETERS: dict[str, Any] = {
    "time_cost": 3, "memory_cost": 65536, "parallelism": 4, "hash_len": 32, "salt_len": 16,
}  # fmt: skip
# Of a password that nobody knows, with the same parameters: verifying it takes as long as a real one.
NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$uAnWL1PwxBEOLLsE0b0+PA$D26CWFWmChNlBVdNNKSouCQdXUcSkCW0/R9tyXJuKQ8"


def check(password: str, name: str) -> str:
    """The password as it is hashed. Raises ``account.invalid`` for one that would be guessed."""
    text = unicodedata.normalize("NFKC", password)
    if len(text) < SHORTEST:
        raise _wrong(f"the password is shorter than {SHORTEST} characters")
    if len(text) > LONGEST:
        raise _wrong(f"the password is longer than {LONGEST} characters")
    if _is_guessed_first(text.casefold(), name.casefold()):
        raise _wrong("the password is one of those that are guessed first")
    return text


def _is_guessed_first(low: str, name: str) -> bool:
    """Whether it is a common password, or made from one, a row of keys, a repetition or the name."""
    if len(set(low)) < 4 or (name and name in low and len(low) < len(name) + 6):
        return True
    try:
        from zxcvbn import zxcvbn
        from zxcvbn.frequency_lists import FREQUENCY_LISTS
    except ImportError as error:
        raise PipelineError("account.package_missing", f"new passwords need zxcvbn: {error}") from error
    # Its time grows with the length, and 72 characters that can be guessed are rare.
    score = zxcvbn(low[:_JUDGED], user_inputs=[name, "autosegpipeline"])["score"]
    return low in FREQUENCY_LISTS["passwords"] or int(score) < _LEAST_SCORE


def _wrong(message: str) -> PipelineError:
    return PipelineError("account.invalid", message, "Choose another; a sentence of several words is good.")


def hash_password(password: str, name: str) -> str:
    """What is kept of a new password; takes about a tenth of a second and 64 MiB."""
    return str(_hasher().hash(check(password, name)))


def hash_again(password: str) -> str:
    """The hash of a password that is in use, whatever the rules for new ones are now."""
    return str(_hasher().hash(unicodedata.normalize("NFKC", password)))


def verify(kept: str | None, password: str) -> bool:
    """Whether ``password`` is the one; ``None`` (no such account) takes as long and is never right."""
    from argon2.exceptions import InvalidHashError, VerificationError

    text = unicodedata.normalize("NFKC", password)
    if len(text) > LONGEST:
        text = ""  # the answer is no in any case; hashing a megabyte would be work for nothing
    try:
        _hasher().verify(kept or NOBODYS, text)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None and bool(text)


def is_outdated(kept: str) -> bool:
    """Whether it was made with other parameters than those of today."""
    return bool(_hasher().check_needs_rehash(kept))


def _hasher() -> Any:
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise PipelineError("account.hashing_missing", f"passwords cannot be hashed: {error}") from error
    return PasswordHasher(**PARAMETERS)
