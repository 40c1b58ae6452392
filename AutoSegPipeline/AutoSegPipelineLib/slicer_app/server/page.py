"""The upload page: one document, nothing from another host."""

from __future__ import annotations

from pathlib import Path

# No template library as in web/pages: this server works in Slicer with nothing installed.


def document(nonce: str) -> bytes:
    """The page with its style and script allowed by ``nonce``."""
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return text.replace("{nonce}", nonce).encode("utf-8")


def policy(nonce: str) -> str:
    """The page may run its own script and ask this server; nothing else."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
