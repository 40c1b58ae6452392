"""Origins of other sites as an administrator writes them (RFC 6454, section 4; CSP level 3, host-source)."""

from __future__ import annotations

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"{_LABEL}(\.{_LABEL})*"
_BELOW = rf"\*\.{_LABEL}(\.{_LABEL})+"  # all names below one that has a dot itself: never all of .org
_HERE = rf"localhost|{_LABEL}\.localhost|127\.0\.0\.1"
_PORT = r"(:[0-9]{1,5})?"
# Nothing of it means anything else in a header than itself.
PATTERN = rf"(https://({_NAME}|{_BELOW})|http://({_HERE})){_PORT}"
SHAPE = (
    "an origin: https://NAME or https://*.NAME, with :PORT where it has one and without a path; "
    "http:// only for localhost"
)
