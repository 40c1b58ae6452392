"""Security headers of every answer (OWASP Secure Headers; CSP level 3)."""

from __future__ import annotations

from typing import Iterable, Sequence

_UNFRAMED = "frame-ancestors 'none'"
_FRAME = f"base-uri 'none'; form-action 'self'; object-src 'none'; {_UNFRAMED}"
# Everything from here and nothing inline: what a scan's name smuggles in stays text.
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    f"connect-src 'self'; manifest-src 'self'; frame-src 'self'; {_FRAME}"
)
# The viewer decodes meshes and volumes in WebAssembly and in workers made from blobs.
VIEWER = (
    "default-src 'none'; script-src 'self' 'nonce-NONCE' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self' blob: data:; "
    f"manifest-src 'self'; frame-src 'self'; {_FRAME}"
)
# A result file opened in the browser: a page of an origin of its own that may do nothing.
FILE = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
POLICIES = {"page": PAGE, "viewer": VIEWER, "file": FILE}

_YEAR = 365 * 86400  # seconds in which browsers come by TLS alone (RFC 6797)
_ALWAYS = {
    "x-content-type-options": "nosniff",
    # Not no-referrer: with it browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "x-permitted-cross-domain-policies": "none",
}


def secured(
    found: Iterable[tuple[bytes, bytes]],
    policy: str,
    close: bool,
    nonce: str,
    encrypted: bool,
    sites: Sequence[str] = (),
) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with those that every answer has.

    ``policy`` is one of :data:`POLICIES`, ``nonce`` what the viewer's map of modules carries.
    Nothing is kept by caches unless the answer says how. ``encrypted``: it goes out by TLS.
    ``sites``: origins whose pages may show it in a frame.
    """
    headers = list(found)
    have = {name.lower() for name, _ in headers}
    wanted = dict(_ALWAYS)
    wanted["content-security-policy"] = POLICIES[policy].replace("NONCE", nonce)
    wanted["x-frame-options"] = "SAMEORIGIN" if policy == "file" else "DENY"
    if sites:
        # Without X-Frame-Options, which has no word for other sites.
        ancestors = f"frame-ancestors {' '.join(sites)}"
        wanted["content-security-policy"] = wanted["content-security-policy"].replace(_UNFRAMED, ancestors)
        wanted["cross-origin-resource-policy"] = "cross-origin"  # else pages with COEP cannot frame it
        del wanted["x-frame-options"]
    if b"cache-control" not in have:
        wanted["cache-control"] = "no-store"
    if encrypted:
        wanted["strict-transport-security"] = f"max-age={_YEAR}"
    if close:
        wanted["connection"] = "close"
    drop = {name.encode() for name in wanted} - {b"connection"}
    headers = [(name, value) for name, value in headers if name.lower() not in drop]
    return headers + [(name.encode("latin-1"), value.encode("latin-1")) for name, value in wanted.items()]
