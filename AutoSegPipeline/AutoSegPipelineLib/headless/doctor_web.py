"""Findings about the web page: is it served, and if not, could it be."""

from __future__ import annotations

import socket
from typing import Iterator

from ..core.errors import PipelineError
from ..core.settings import Settings
from ..runtime.processes.child_kinds import WEB
from ..web.config import WebConfig
from ..web.http.sockets import check_certificate, listen
from .findings import FAIL, OK, WARN, Finding
from .session import Session


def page(session: Session, settings: Settings) -> Iterator[Finding]:
    """Where the page of the running pipeline is, or whether the next one could have its port."""
    config = WebConfig.of(session.home, settings)
    try:
        check_certificate(config)
    except PipelineError as error:
        yield Finding("web", FAIL, error.message, error.hint)
    if settings["web"] and _frames_stay_empty(config):
        yield Finding(
            "web", WARN, "web_embed_sites names sites with https, whose pages show no frame without TLS",
            "Set tls_cert and tls_key, or name a reverse proxy that has TLS in trusted_proxy.",
        )  # fmt: skip
    if session.is_running:
        note = session.child_note(WEB.name) or {}
        wrong = note.get("error")
        if wrong:
            yield Finding("web", FAIL, f"{wrong['message']} ({wrong['code']})", wrong.get("hint", ""))
        elif note.get("url"):
            yield Finding("web", OK, f"{note['url']} (process {note.get('pid', '?')})")
        else:
            yield Finding("web", OK, "this pipeline serves no page")
        return
    if not settings["web"]:
        yield Finding("web", OK, "off (setting web)")
        return
    yield _free(config)


def _frames_stay_empty(config: WebConfig) -> bool:
    """Whether browsers refuse the frame of a site that may have one: a page with TLS shows none without."""
    encrypted = config.tls or config.trusted_proxy
    return not encrypted and any(site.startswith("https:") for site in config.web_embed_sites)


def _free(config: WebConfig) -> Finding:
    try:
        sockets: list[socket.socket] = listen(config)
    except PipelineError as error:
        return Finding("web", WARN, error.message, error.hint)
    port = sockets[0].getsockname()[1]
    for one in sockets:
        one.close()
    return Finding("web", OK, f"{config.url(port)} is available")
