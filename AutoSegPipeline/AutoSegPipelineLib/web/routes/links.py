"""Share links to one result: made, listed, revoked, opened."""

from __future__ import annotations

from typing import List, Optional

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from ...core.errors import PipelineError
from ..context import context_of
from ..gate import audit_trail, identify
from ..gate.embedded import ended
from ..gate.principal import ADMIN, KEY, OPERATOR, VIEWER, Principal, needs
from ..gate.visible_jobs import VisibleJobs
from ..models import PROBLEMS

router = APIRouter(tags=["links"], responses=PROBLEMS)
_COOKIE_SECONDS = 30 * 86400  # the link itself ends when it says; the cookie only carries it


class NewLink(BaseModel):
    """To which result, for how long, and what for."""

    job: str = Field(min_length=4, max_length=32)
    hours: float = Field(168, gt=0, le=2160)
    note: str = Field("", max_length=200)
    names: bool = Field(False, description="show the file's name and who uploaded it")


class LinkDocument(BaseModel):
    """One link. ``url`` is reported once, when it is made, and ``embed`` where sites may show it."""

    id: str
    job: str
    user: str
    note: str
    names: bool
    created: str
    expires: str
    used: Optional[str]
    revoked: Optional[str]
    url: Optional[str] = None
    embed: Optional[str] = None


class LinkList(BaseModel):
    """Links, the newest last."""

    links: List[LinkDocument]


@router.get("/api/v1/links", response_model=LinkList)
async def list_links(request: Request, principal: Principal = Depends(needs(VIEWER))) -> object:
    """One's own links; admins see everybody's."""
    whose = None if principal.is_at_least(ADMIN) else principal.name
    return {"links": [link.to_dict() for link in context_of(request).accounts.links.list(whose)]}


@router.post("/api/v1/links", response_model=LinkDocument, status_code=201)
async def create_link(
    request: Request, given: NewLink, principal: Principal = Depends(needs(OPERATOR))
) -> Response:
    """A link to one finished result. Whoever has it sees and downloads that, until it ends."""
    context = context_of(request)
    if principal.via == "open":
        raise PipelineError("request.conflict", "links need an account that answers for them")
    job = VisibleJobs(context, principal).get_own(given.job)
    if not job.has_result:
        raise PipelineError("request.wrong_state", f"job {job.id[:8]} is {job.state}; it has no result")
    link, secret = context.accounts.links.create(job.id, principal.name, given.hours, given.note, given.names)
    audit_trail.note(context, request.scope, "link.create", principal.name, job=job.id, detail=link.id)
    here = f"{request.scope['scheme']}://{request.headers['host']}{context.config.base_path}"
    embed = f"{here}/embed/{secret}" if context.config.web_embed_sites else None
    return JSONResponse({**link.to_dict(), "url": f"{here}/share/{secret}", "embed": embed}, 201)


@router.delete("/api/v1/links/{link_id}", status_code=204)
async def revoke_link(
    request: Request, link_id: str, principal: Principal = Depends(needs(OPERATOR))
) -> Response:
    """End a link of one's own; admins anybody's."""
    context = context_of(request)
    link = context.accounts.links.get(link_id)
    if link.user != principal.name and not principal.is_at_least(ADMIN):
        raise PipelineError("account.unknown", f"there is no link {link_id!r}")
    context.accounts.links.revoke(link_id)
    audit_trail.note(context, request.scope, "link.revoke", principal.name, job=link.job, detail=link_id)
    return Response(status_code=204)


@router.get("/share/{secret}", include_in_schema=False)
async def open_link(request: Request, secret: str) -> Response:
    """Open a link: its secret goes into a cookie and out of the address."""
    context, scheme = context_of(request), request.scope["scheme"]
    found = context.accounts.links.find(secret) if len(secret) <= 100 else None
    if found is None:
        raise ended()
    context.accounts.links.noted_use(found.id)
    before: Optional[Principal] = request.scope.get(KEY)
    who = before.name if before is not None and before.via == "session" else f"link {found.id}"
    audit_trail.note(context, request.scope, "link.open", who, job=found.job, detail=found.id, via="share")
    name = identify.cookie_name(context, identify.SHARE, scheme)
    cookies = identify.read_cookies(request.headers.get("cookie", ""))
    value = identify.with_link(cookies.get(name, ""), secret)
    answer = RedirectResponse(f"{context.config.base_path}/view/{found.job}", 303)
    # Lax: a link in a message is followed from another site, and it gives nothing but reading.
    answer.headers.append(
        "Set-Cookie", identify.set_cookie(context, identify.SHARE, value, scheme, _COOKIE_SECONDS, "Lax")
    )
    return answer
