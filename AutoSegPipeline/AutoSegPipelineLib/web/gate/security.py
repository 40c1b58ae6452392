"""The gate before every route: whose request it is, whether it may be here, what goes out with the answer.

Also without accounts ``Host``, ``Origin`` and forwarded headers are checked: a page of another
site must not reach a server on this machine through the browser of whoever sits here (DNS
rebinding, forms and images that point to localhost).
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Iterable, Iterator, Optional
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...core.errors import PipelineError
from ..accounts.secret import same
from ..context import WebContext
from ..pages import problems
from . import access, audit_trail, embedded, hosts, identify
from .access import Access
from .body_limits import Body
from .headers import secured
from .principal import KEY, Principal, principal_of
from .rate_limits import RateLimits, rate_of

log = logging.getLogger(__name__)

ACCESS = "autoseg.access"  # in the ASGI scope: the row of the route that answers
NONCE = "autoseg.nonce"  # in the ASGI scope: what an inline script of this answer must carry
CSRF_HEADER = "x-csrf-token"
_LOOK_SECONDS = 5.0  # how often a long answer asks whether its reader may still have it


async def enforce(request: Request) -> None:
    """Dependency of every route: the row of :data:`.access.TABLE` decides."""
    path = request.scope["route"].path
    row = access.access_of(request.method, path)
    if row is None:
        log.error("%s %s has no row in web/gate/access.py", request.method, path)
        raise PipelineError("account.forbidden", "this address has no rule about who may use it")
    embedded.check(request.scope, row, path)
    request.scope[ACCESS] = row
    if row.role != access.PUBLIC:
        _hold(row, principal_of(request))


def _hold(row: Access, principal: Principal) -> None:
    if principal.via == "share" and not row.share:
        raise PipelineError("account.forbidden", "a share link opens one result and nothing else")
    if not principal.is_at_least(row.role):
        raise PipelineError(
            "account.forbidden",
            f"this needs the role {row.role}; {principal.name} has the role {principal.role}",
        )


def install(app: FastAPI, context: WebContext) -> None:
    """Put the gate before ``app``."""
    app.add_middleware(Guard, context=context, owner=app)


def _all_routes(some: Iterable[object]) -> Iterator[Route]:
    """Those of included routers too, which newer FastAPI keeps as one entry each."""
    for one in some:
        if isinstance(one, Route):
            yield one
        else:
            inner = getattr(one, "original_router", one)
            yield from _all_routes(getattr(inner, "routes", None) or ())


class Guard:
    """ASGI middleware; one :class:`_Visit` for each request."""

    def __init__(self, app: ASGIApp, context: WebContext, owner: FastAPI) -> None:
        self.app = app
        self.owner = owner
        self.context = context
        self.site = hosts.Site(context.config)
        self._own_head: Optional[list[re.Pattern[str]]] = None
        self.rates = RateLimits()

    def answers_head(self, path: str) -> bool:
        """Whether a route of ``path`` (without the base path) answers HEAD in a way of its own."""
        if self._own_head is None:
            routes = _all_routes(self.owner.routes)
            self._own_head = [one.path_regex for one in routes if "HEAD" in (one.methods or ())]
        return any(pattern.match(path) for pattern in self._own_head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _Visit(self, dict(scope), receive, send).answer()
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self.app(scope, receive, send)


class _Visit:
    """One request on its way through."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._context = guard, guard.context
        self._scope, self._receive, self._send = scope, receive, send
        self._headers = Headers(scope=scope)
        self._body: Optional[Body] = None
        self._status = 0
        self._looked = time.monotonic()
        self._path = ""  # without the base path
        self._framed: Optional[embedded.Framed] = None  # a page of another site shows it
        self._headless = False  # a HEAD that a route of GET answers

    async def answer(self) -> None:
        """Check, let the application answer, write down what it was."""
        self._scope[NONCE] = secrets.token_urlsafe(16)
        try:
            self._admit()
            assert self._body is not None  # made by _admit
            await self._guard.app(self._scope, self._body, self._out)
        except PipelineError as error:
            await self._refuse(error)
        except ClientDisconnect:
            # Gone, or too slow to be waited for: then the line is still there.
            if not self._status:
                await self._refuse(PipelineError("request.invalid", "the body did not come", status=408))
        except Exception as error:  # the boundary of a request
            if self._status:
                raise  # half an answer is out: the server closes the connection
            path = "/share/..." if self._path.startswith("/share/") else self._path  # no secrets in logs
            log.error("%s %s failed", self._scope["method"], path, exc_info=error)
            await self._refuse(PipelineError("web.internal", "something unexpected happened"))
        audit_trail.write(self._context, self._scope, self._status)

    # --- in ---------------------------------------------------------------------------------

    def _admit(self) -> None:
        scope, headers = self._scope, self._headers
        method = scope["method"]
        self._place()
        self._check_form()
        if method == "HEAD" and not self._guard.answers_head(self._path):
            self._headless, scope["method"] = True, "GET"  # the same answer, whose body stays here
        small = not access.is_upload(method, self._path)
        self._body = Body(self._receive, self._declared(), small)
        address = scope["client"][0] if scope.get("client") else ""
        forwarded = hosts.forwarded_headers(headers)
        if forwarded and not (self._guard.site.trusts(address) and self._context.accounts.users.exist()):
            # Believed from nobody else, and who sends them stands between us and somebody unknown.
            raise PipelineError("web.forwarded", f"a proxy stands between ({', '.join(forwarded)})")
        peer = self._guard.site.peer(address, scope["scheme"], headers)
        scope["scheme"], scope["client"] = peer.scheme, (peer.address, 0)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._guard.site.knows(host):
            raise PipelineError("web.wrong_host", f"this server is not {host[:100]!r}")
        why = hosts.cross_site(method, headers, peer.scheme, host, self._is_framed_page)
        if why:
            raise PipelineError("web.cross_site", f"the request was refused: {why}")
        if self._framed is None:
            self._know(identify.identify(self._context, headers, peer.scheme))
        else:
            self._know(self._framed.principal(self._context))
            self._framed.lead(self._context, scope)

    def _know(self, principal: Optional[Principal]) -> None:
        scope = self._scope
        scope[KEY] = principal
        self._count(principal)
        if principal is None:
            if self._framed is not None:
                raise embedded.ended()
            if not access.is_public(self._path):
                raise PipelineError("account.needed", "this needs a login or a token")
            return
        if self._path == self._guard.owner.openapi_url:  # no route of FastAPI's: it takes no dependencies
            _hold(access.TABLE[f"GET {self._path}"], principal)
        unsafe = scope["method"] not in hosts.SAFE_METHODS
        if unsafe and principal.via == "session" and not access.proves_itself(scope["method"], self._path):
            check_proof(principal, self._headers.get(CSRF_HEADER, "") or self._proof_of_form())

    def _count(self, principal: Optional[Principal]) -> None:
        """Limit who asks too often; while there are no accounts there is one person at this machine."""
        via = "" if principal is None else principal.via
        rate = rate_of(self._scope["method"], self._path, via)
        if rate is None or via == "open":
            return
        # By the link and not by the address, which a class or a hospital shares.
        who = str(self._scope["client"][0]) if principal is None else principal.name
        self._guard.rates.take(who, rate)

    def _proof_of_form(self) -> str:
        """The upload form without JavaScript can send no header; its proof stands in its address."""
        if self._path != "/upload":
            return ""
        query = parse_qs(self._scope.get("query_string", b"").decode("latin-1"), max_num_fields=50)
        return query.get("csrf", [""])[0]

    def _place(self) -> None:
        """Make the path one that begins with the base path once, whether or not a proxy took it off."""
        scope, base = self._scope, self._context.config.base_path
        path, raw = scope["path"], scope.get("raw_path") or b""
        if base and path.startswith(f"{base}{base}/"):  # uvicorn has put it before one that was there
            path, raw = path[len(base) :], raw[len(base) :]
        elif base and path != base and not path.startswith(f"{base}/"):
            path, raw = base + path, base.encode("latin-1") + raw
        scope["path"], scope["raw_path"], scope["root_path"] = path, raw, base
        self._path = path[len(base) :] or "/"
        self._framed = embedded.framed(self._context, scope)
        if self._framed is not None:
            self._path = self._framed.path

    def _check_form(self) -> None:
        """Refuse what two readers could understand in two ways."""
        headers = self._headers
        if "transfer-encoding" in headers and "content-length" in headers:
            raise PipelineError("request.invalid", "both Content-Length and Transfer-Encoding", status=400)
        if any(ord(char) < 32 or char in "\\\x7f" for char in self._path) or (
            ".." in self._path.split("/") or "." in self._path.split("/")
        ):
            raise PipelineError("request.not_found", "nothing has this address")

    def _declared(self) -> Optional[int]:
        if "transfer-encoding" in self._headers:
            return None
        length = self._headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 19):
            raise PipelineError("request.invalid", "Content-Length is no number", status=400)
        return int(length)

    # --- out --------------------------------------------------------------------------------

    async def _out(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            # What was not read would be taken for the next request.
            unread = self._body is None or not self._body.complete
            headers = self._secured(message.get("headers", ()), unread)
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and message.get("more_body"):
            self._look()
        if self._headless and message["type"] == "http.response.body":
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            raise ClientDisconnect()  # a stream would go on for ever
        await self._send(message)

    def _secured(self, found: Iterable[tuple[bytes, bytes]], unread: bool) -> list[tuple[bytes, bytes]]:
        encrypted = self._scope["scheme"] == "https"
        policy = self._policy()
        may_frame = policy == "viewer" and self._is_framed_page
        sites = self._context.config.web_embed_sites if may_frame else ()
        return secured(found, policy, unread, self._scope[NONCE], encrypted, sites)

    @property
    def _is_framed_page(self) -> bool:
        return self._framed is not None and self._framed.is_page

    def _policy(self) -> str:
        row: Optional[Access] = self._scope.get(ACCESS)
        return row.policy if row is not None and self._status < 400 else "page"

    def _look(self) -> None:
        """End a long answer (events, a download) when its reader's login or link has ended."""
        now, principal = time.monotonic(), self._scope.get(KEY)
        if principal is None or now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        if not identify.still_holds(self._context, principal):
            raise ClientDisconnect()

    async def _refuse(self, error: PipelineError) -> None:
        if self._status:
            raise ClientDisconnect() from error
        response = self._answer_to(error)
        await response(self._scope, self._receive, self._out)

    def _answer_to(self, error: PipelineError) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if error.code == "account.needed" else {}
        if error.code in ("web.wrong_host", "web.cross_site", "web.forwarded"):
            return problems.of_error(error)  # a page would name this server to whoever is not its reader
        self._scope.setdefault("app", self._guard.owner)
        return problems.for_whom(Request(self._scope), error, headers)


def check_proof(principal: Principal, given: str) -> None:
    """Raise ``account.csrf`` unless ``given`` is what only the page of this login knows."""
    if not given or not same(given, principal.csrf):
        raise PipelineError("account.csrf", "the request lacks the proof that the page asked for it")
