"""From answered requests to lines of the audit log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.types import Scope

from ...core.errors import PipelineError
from .access import UPLOAD, Access
from .principal import KEY, Principal
from .visible_jobs import VisibleJobs

if TYPE_CHECKING:
    from ..context import WebContext

_ID = re.compile(r"[0-9a-f]{4,32}\Z")
_WHICH = ("job_id", "case", "filename")
_READING = ("result.", "job.log")


def write(context: WebContext, scope: Scope, status: int) -> None:
    """What a request did, where it reached a route whose row says so."""
    row: Access | None = scope.get("autoseg.access")
    principal: Principal | None = scope.get(KEY)
    if row is None or not row.audit or principal is None or not status:
        return
    params = scope.get("path_params") or {}
    named = ""
    if row.audit == UPLOAD or "autoseg.jobs" in scope:
        jobs = scope.get("autoseg.jobs") or ([] if status < 400 else [""])  # a part of one is no job yet
    else:
        job, stem = _job(context, principal, params)
        jobs, file = [job], str(params.get("name") or params.get("filename") or "")
        # The ending tells which file; the name may tell of a patient and outlives a purge here.
        named = file[len(stem) :] if stem and file.startswith(stem) else ""
    for job in jobs:
        context.accounts.audit.note(
            row.audit,
            principal.name,
            via=principal.via,
            address=address_of(scope),
            job=job,
            detail=named or _failed(status),
            ok=status < 400,
            once=row.audit.startswith(_READING),
        )


def note(
    context: WebContext,
    scope: Scope,
    what: str,
    who: str,
    *,
    via: str | None = None,
    job: str = "",
    detail: str = "",
    ok: bool = True,
    once: bool = False,
    durable: bool = True,
) -> None:
    """A line that a route writes itself; ``durable`` waits for the disk. ``via``: by default the own."""
    if via is None:
        principal: Principal | None = scope.get(KEY)
        via = principal.via if principal is not None else ""
    address = address_of(scope)
    context.accounts.audit.note(
        what, who, via=via, address=address, job=job, detail=detail, ok=ok, once=once, durable=durable
    )


def address_of(scope: Scope) -> str:
    """From where the request came."""
    return str(scope["client"][0]) if scope.get("client") else ""


def _failed(status: int) -> str:
    return f"status {status}" if status >= 400 else ""


def _job(context: WebContext, principal: Principal, params: dict[str, object]) -> tuple[str, str]:
    """(full id, stem) of the job that a path names by id, first letters, name or file."""
    visible = VisibleJobs(context, principal)
    for name in _WHICH:
        text = str(params.get(name) or "")
        if not text:
            continue
        try:
            job = visible.file_named(text)[0] if name == "filename" else visible.get(text)
            return job.id, job.name
        except PipelineError:
            taken = context.store.stems.taken(text)
            return (taken, text) if taken else (text if _ID.match(text) else "", "")
    return "", ""
