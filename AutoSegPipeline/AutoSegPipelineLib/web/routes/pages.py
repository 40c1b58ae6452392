"""The pages themselves: main page, viewer, login, and the files that they load."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from ...core.errors import PipelineError
from ...core.job import Job
from ...core.specs import BY_NAME, QUALITIES
from ..context import WebContext, context_of
from ..gate.embedded import BASE
from ..gate.principal import OPERATOR, VIEWER, Principal, needs, principal_of
from ..gate.provider import provider_of
from ..gate.visible_jobs import VisibleJobs
from ..http.static_files import assets_folder, missing_assets, send_asset, send_static
from ..pacs.dicom_process import dicom_process_of
from ..pages.error_pages import message_page
from ..pages.render import page, principal_or_none
from ..scans import find_scan, why_not
from .login import FAILED, inside

router = APIRouter(include_in_schema=False)


@router.get("/")
async def main_page(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """Upload, jobs, results."""
    return _main(request, principal)


@router.get("/upload")
async def upload_page(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """The same page, at the address that the first AutoSegPipeline had."""
    return _main(request, principal)


@router.get("/pacs")
async def pacs_page(request: Request, principal: Principal = Depends(needs(OPERATOR))) -> Response:
    """Search archives, and how each of them is."""
    return page(request, "pacs", "PACS")


def _main(request: Request, principal: Principal) -> Response:
    action = ""
    if principal.is_at_least(OPERATOR):
        action = f"{context_of(request).config.base_path}/upload{proof_of(principal)}"
    usual = BY_NAME["quality"].default
    has_pacs = principal.is_at_least(OPERATOR) and dicom_process_of(context_of(request)).wanted
    return page(
        request, "main", upload_action=action, qualities=QUALITIES, usual_quality=usual, has_pacs=has_pacs
    )


def proof_of(principal: Principal) -> str:
    """The query with which a plain form proves that it came from our page: it can send no header."""
    return f"?{urlencode({'csrf': principal.csrf})}" if principal.csrf else ""


@router.get("/view/{case}")
async def viewer_page(
    request: Request, case: str, principal: Principal = Depends(needs(VIEWER, share=True))
) -> Response:
    """One result in 3D, with its slices."""
    context = context_of(request)
    job = _result(request, case, principal)
    if isinstance(job, Response):
        return job
    facts = _facts(context, job, principal)
    facts["embedded"] = BASE in request.scope
    shared = principal.via == "share"
    label = job.label or job.name
    return page(request, "viewer", job.name, name=job.name, label=label, facts=facts, shared=shared)


@router.get("/compare/{case}")
async def compare_page(
    request: Request,
    case: str,
    other: str = Query("", alias="with", max_length=64),
    principal: Principal = Depends(needs(VIEWER)),
) -> Response:
    """Two results in 3D, side by side."""
    cases = []
    for one in (case, other):
        job = _result(request, one, principal)
        if isinstance(job, Response):
            return job
        facts = _facts(context_of(request), job, principal)
        cases.append({key: facts[key] for key in ("id", "name", "label", "files")})
    return page(request, "compare", "Side by side", cases=cases)


def _result(request: Request, case: str, principal: Principal) -> Job | Response:
    """A finished case that the principal sees, or the page that says why there is none."""
    try:
        job = VisibleJobs(context_of(request), principal).get(case)
    except PipelineError as error:
        if error.code != "request.unknown_job":
            raise
        return message_page(
            request, "There is no such result", "It was deleted, or the link is wrong.",
            "Finished cases are on the main page.", status=404,
        )  # fmt: skip
    if not job.has_result:
        return message_page(
            request, "Not finished", f"{job.label or job.name} is {job.state}.",
            "The viewer opens when the case is done.", status=404,
        )  # fmt: skip
    return job


def _facts(context: WebContext, job: Job, principal: Principal) -> dict[str, Any]:
    """What the viewer's script has to know; the template writes it as JSON."""
    home = context.home
    scan = find_scan(home, job)
    files = {output["kind"]: output["name"] for output in job.outputs}
    return {
        "id": job.id,
        "name": job.name,
        "label": job.label,
        "modality": job.modality,
        "files": {kind: files[kind] for kind in ("glb", "gltf", "labels") if kind in files},
        "outputs": job.outputs,
        "warnings": job.warnings,
        "missing": missing_assets(context.config.assets),
        "scan": scan.to_dict() if scan else None,
        "noScan": "" if scan else why_not(home, job, float(context.config.grace_hours)),
        "share": principal.via == "share",
    }


@router.get("/login")
async def login_page(request: Request, next: str = "", failed: str = "") -> Response:
    """Name and password; without accounts, or logged in already, the main page."""
    context = context_of(request)
    base = context.config.base_path
    found = principal_or_none(request)
    if found is not None and found.via in ("open", "session"):
        return RedirectResponse(f"{base}/", 303)
    problem = FAILED.get(failed, "")  # only where the browser sent the form without the script
    provider = provider_of(context.config.oidc)
    label = provider.config.label if provider is not None else ""
    return page(
        request, "login", "Log in", next=inside(next, base), problem=problem, provider=label,
        provider_address=f"{base}/login/provider?{urlencode({'next': inside(next, base)})}",
    )  # fmt: skip


@router.get("/static/{name:path}")
def static_file(request: Request, name: str) -> Response:  # in a thread: it may compress
    """A file of the page; public, as the login needs it."""
    return send_static(request, name)


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """What browsers ask for beside an answer that is no page."""
    return send_static(request, "icon.svg")


@router.get("/assets/{name:path}")
def asset(request: Request, name: str) -> Response:  # in a thread, too
    """A file of the viewer's libraries."""
    principal_of(request)
    return send_asset(request, assets_folder(context_of(request).config.assets), name)
