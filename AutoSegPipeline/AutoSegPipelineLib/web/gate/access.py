"""What each route asks of whoever calls it. A route without a row is refused.

The routes say their role themselves, too; this table is the second lock, and a test
compares both with what the server does. One row is a method and a path as the route
writes it; HEAD has that of GET.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from ..accounts.roles import ADMIN, OPERATOR, VIEWER

PUBLIC = ""
UPLOAD = "upload"  # in the audit log: a line for each job that came of it


@dataclass(frozen=True)
class Access:
    """``role`` is the least one (:data:`PUBLIC`: nobody has to be known).

    ``share`` lets a share link through, ``audit`` is what the log calls it, ``policy`` one of
    :data:`.headers.POLICIES`, ``own_proof`` marks a form that checks its proof itself.
    """

    role: str
    share: bool = False
    audit: str = ""
    policy: str = "page"
    own_proof: bool = False


_SEE = Access(VIEWER)
_RESULT = Access(VIEWER, share=True, audit="result.view")
_FILE = Access(VIEWER, share=True, audit="result.file", policy="file")
_UPLOAD = Access(OPERATOR, audit=UPLOAD)
_STORE = Access(OPERATOR, audit="dicom.store")

TABLE: dict[str, Access] = {
    # Operation. What they tell strangers they decide themselves.
    "GET /healthz": Access(PUBLIC),
    "GET /healthz/ready": Access(PUBLIC),
    "GET /metrics": Access(PUBLIC),
    "GET /api/v1/openapi.json": _SEE,
    "GET /api/v1/status": _SEE,
    "GET /api/v1/engines": _SEE,
    "GET /api/v1/events": Access(VIEWER, share=True),
    # The original's
    "GET /files": _SEE,
    # By name: a link goes by the job's id, never by a name alone.
    "GET /download/{filename}": Access(VIEWER, audit="result.file", policy="file"),
    "POST /upload": _UPLOAD,
    # Pages
    "GET /": _SEE,
    "GET /upload": _SEE,
    "GET /view/{case}": Access(VIEWER, share=True, audit="result.view", policy="viewer"),
    "GET /compare/{case}": Access(VIEWER, audit="result.view", policy="viewer"),
    "GET /static/{name:path}": Access(PUBLIC),
    "GET /favicon.ico": Access(PUBLIC),
    "GET /assets/{name:path}": Access(VIEWER, share=True),
    # Jobs and results
    "GET /api/v1/jobs": Access(VIEWER, share=True),
    "GET /api/v1/jobs/counts": _SEE,
    "GET /api/v1/jobs/ids": _SEE,
    "POST /api/v1/jobs/actions": Access(OPERATOR),  # the route notes each job itself
    "POST /api/v1/jobs/example": Access(OPERATOR, audit="job.example"),
    "GET /api/v1/jobs/{job_id}": Access(VIEWER, share=True),
    "GET /api/v1/jobs/{job_id}/log": Access(VIEWER, audit="job.log", policy="file"),
    "POST /api/v1/jobs/{job_id}/cancel": Access(OPERATOR, audit="job.cancel"),
    "POST /api/v1/jobs/{job_id}/retry": Access(OPERATOR, audit="job.retry"),
    "PATCH /api/v1/jobs/{job_id}": Access(OPERATOR, audit="job.priority"),
    "DELETE /api/v1/jobs/{job_id}": Access(OPERATOR, audit="job.delete"),
    "PUT /api/v1/jobs/{job_id}/review": Access(OPERATOR, audit="job.review"),
    "POST /api/v1/jobs/review": Access(OPERATOR),  # a line for each job, which the route writes
    "GET /api/v1/results": _SEE,
    "GET /api/v1/results.zip": Access(VIEWER, policy="file"),  # as does this one
    "POST /api/v1/results.zip": Access(VIEWER, policy="file", own_proof=True),
    "GET /api/v1/results/{case}": _RESULT,
    "GET /api/v1/results/{case}.zip": Access(VIEWER, share=True, audit="result.zip", policy="file"),
    "GET /api/v1/results/{case}/files/{name}": _FILE,
    "GET /api/v1/results/{case}/scan": Access(VIEWER, share=True, audit="result.scan", policy="file"),
    "GET /table": _SEE,
    "GET /api/v1/table": _SEE,
    "GET /api/v1/table.{kind}": Access(VIEWER, audit="table.file", policy="file"),
    "GET /api/v1/table/methods": _SEE,
    # Uploads
    "PUT /api/v1/uploads/{name:path}": _UPLOAD,
    "POST /api/v1/uploads": _UPLOAD,
    "GET /api/v1/uploads": Access(OPERATOR),
    "OPTIONS /api/v1/uploads": Access(OPERATOR),
    "OPTIONS /api/v1/uploads/{upload_id}": Access(OPERATOR),
    "GET /api/v1/uploads/{upload_id}": Access(OPERATOR),
    "POST /api/v1/uploads/{upload_id}": _UPLOAD,
    "PATCH /api/v1/uploads/{upload_id}": _UPLOAD,
    "DELETE /api/v1/uploads/{upload_id}": Access(OPERATOR),
    "POST /api/v1/uploads/batches/{batch}/finish": _UPLOAD,
    "DELETE /api/v1/uploads/batches/{batch}": Access(OPERATOR),
    # The PACS; who may search which archive is decided in visible_peers
    "GET /pacs": Access(OPERATOR),
    "GET /api/v1/pacs": Access(OPERATOR),
    "POST /api/v1/pacs/find": Access(OPERATOR),
    "POST /api/v1/pacs/series": Access(OPERATOR),
    "POST /api/v1/pacs/fetches": Access(OPERATOR),
    "DELETE /api/v1/pacs/fetches/{number}": Access(OPERATOR),
    "POST /api/v1/pacs/peers/{peer}/echo": Access(OPERATOR),
    "POST /api/v1/pacs/sends/{number}/again": Access(OPERATOR),
    # DICOM over the web (PS3.18)
    "POST /dicom-web/studies": _STORE,
    "POST /dicom-web/studies/{study}": _STORE,
    "POST /dicom-web/{title}/studies": _STORE,
    "POST /dicom-web/{title}/studies/{study}": _STORE,
    # Accounts
    "GET /login": Access(PUBLIC),
    "GET /login/provider": Access(PUBLIC),
    "GET /login/provider/back": Access(PUBLIC),
    "POST /login": Access(PUBLIC, own_proof=True),
    "POST /logout": Access(PUBLIC, own_proof=True),
    "GET /share/{secret}": Access(PUBLIC),
    "GET /api/v1/session": Access(PUBLIC),
    "POST /api/v1/session": Access(PUBLIC, own_proof=True),
    "DELETE /api/v1/session": Access(VIEWER),
    "PUT /api/v1/account/password": Access(VIEWER),
    "GET /api/v1/account/tokens": _SEE,
    "POST /api/v1/account/tokens": Access(VIEWER),
    "DELETE /api/v1/account/tokens/{token_id}": Access(VIEWER),
    "POST /api/v1/account/proof": Access(VIEWER),
    "GET /api/v1/account/sessions": _SEE,
    "DELETE /api/v1/account/sessions": Access(VIEWER),
    "DELETE /api/v1/account/sessions/{session_id}": Access(VIEWER),
    "GET /api/v1/account/second-factor": _SEE,
    "POST /api/v1/account/second-factor": Access(VIEWER),
    "PUT /api/v1/account/second-factor": Access(VIEWER),
    "DELETE /api/v1/account/second-factor": Access(VIEWER),
    "POST /api/v1/account/second-factor/codes": Access(VIEWER),
    "GET /account": _SEE,
    "GET /admin": Access(ADMIN),
    "GET /api/v1/users": Access(ADMIN),
    "POST /api/v1/users": Access(ADMIN),
    "PATCH /api/v1/users/{name}": Access(ADMIN),
    "GET /api/v1/audit": Access(ADMIN),
    "GET /api/v1/audit.csv": Access(ADMIN),
    "GET /api/v1/models": Access(ADMIN),
    "PUT /api/v1/models/files/{name}": Access(ADMIN, audit="model.upload"),
    "POST /api/v1/models": Access(ADMIN),
    "POST /api/v1/models/{name}/check": Access(ADMIN),
    "GET /api/v1/models/requests/{number}": Access(ADMIN),
    "DELETE /api/v1/models/{name}": Access(ADMIN),
    "GET /api/v1/links": _SEE,
    "POST /api/v1/links": Access(OPERATOR),
    "DELETE /api/v1/links/{link_id}": Access(OPERATOR),
}


def access_of(method: str, path: str) -> Access | None:
    """The row of a route by its method and its path as the route writes it."""
    found = TABLE.get(f"{method} {path}")
    if found is None and method == "HEAD":
        found = TABLE.get(f"GET {path}")
    return found


def is_public(path: str) -> bool:
    """Whether a path may be asked for by anybody; what lies behind it checks again."""
    return any(pattern.match(path) for pattern in _patterns(PUBLIC))


def proves_itself(method: str, path: str) -> bool:
    """Whether the route checks itself that the page asked for it."""
    return any(TABLE[key].own_proof for key in (f"{method} {path}",) if key in TABLE)


def is_upload(method: str, path: str) -> bool:
    """Whether a body without the general limit is expected there."""
    known = path.startswith(("/api/v1/uploads", "/api/v1/models/files/"))
    return known or (method == "POST" and (path == "/upload" or path.startswith("/dicom-web/")))


@functools.lru_cache(maxsize=8)
def _patterns(role: str) -> tuple[re.Pattern[str], ...]:
    paths = {key.partition(" ")[2] for key, row in TABLE.items() if row.role == role}
    return tuple(re.compile(_pattern(path)) for path in paths)


def _pattern(path: str) -> str:
    pieces = re.split(r"\{\w+(:path)?\}", path)
    text = ""
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            text += re.escape(piece)
            if number + 1 < len(pieces):
                text += ".*" if pieces[number + 1] else "[^/]+"
    return text + r"\Z"
