"""Checksums that a client says, in every spelling that is in use, and comparing them."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from typing import Mapping

from ...core.errors import PipelineError

# Names in headers -> names in hashlib; those of RFC 9530 and RFC 3230, and tus.
_ALGORITHMS = {
    "sha-256": "sha256", "sha256": "sha256", "sha-512": "sha512", "sha512": "sha512",
    "sha": "sha1", "sha-1": "sha1", "sha1": "sha1", "md5": "md5",
}  # fmt: skip
TUS_ALGORITHMS = ("sha1", "sha256", "sha512", "md5")
_LENGTHS = {"sha256": 32, "sha512": 64, "sha1": 20, "md5": 16}


@dataclass(frozen=True)
class Wanted:
    """``value`` is what the bytes' checksum by ``algorithm`` (a name of hashlib) must be."""

    algorithm: str
    value: bytes

    def check(self, found: bytes, what: str, status: int = 422) -> None:
        """Raise ``web.upload_checksum`` unless ``found`` is it."""
        if not hmac.compare_digest(self.value, found):
            raise PipelineError(
                "web.upload_checksum",
                f"{what}: the {self.algorithm} of the bytes that arrived is {found.hex()}, "
                f"not {self.value.hex()}",
                status=status,
            )


def wanted_of(headers: Mapping[str, str]) -> list[Wanted]:
    """What ``Repr-Digest``, ``Content-Digest``, ``Digest`` and ``Content-MD5`` say.

    Algorithms that are not known here are passed over, as RFC 9530 asks; a known one that is
    no checksum raises ``request.invalid``.
    """
    found = []
    for name in ("repr-digest", "content-digest", "digest"):
        for part in filter(None, (part.strip() for part in headers.get(name, "").split(","))):
            algorithm, _, text = part.partition("=")
            known = _ALGORITHMS.get(algorithm.strip().lower())
            if known:
                found.append(_wanted(known, text.strip().strip(":"), name))
    if "content-md5" in headers:
        found.append(_wanted("md5", headers["content-md5"].strip(), "content-md5"))
    return found


def tus_wanted(header: str) -> Wanted:
    """What tus's ``Upload-Checksum: sha1 BASE64`` says. Raises ``request.invalid`` (400)."""
    algorithm, _, text = header.strip().partition(" ")
    if algorithm not in TUS_ALGORITHMS:
        known = ", ".join(TUS_ALGORITHMS)
        raise PipelineError(
            "request.invalid", f"Upload-Checksum: {algorithm!r} is none of {known}", status=400
        )
    return _wanted(algorithm, text.strip(), "Upload-Checksum", 400)


def sha256_wanted(text: str, origin: str) -> Wanted:
    """A SHA-256 as 64 hex digits or base64."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return Wanted("sha256", bytes.fromhex(text))
    return _wanted("sha256", text, origin)


def repr_digest(sha256: str) -> str:
    """The value of ``Repr-Digest`` for a hex SHA-256."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def _wanted(algorithm: str, text: str, origin: str, status: int = 422) -> Wanted:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != _LENGTHS[algorithm]:
        raise PipelineError("request.invalid", f"{origin}: this is no {algorithm} in base64", status=status)
    return Wanted(algorithm, value)
