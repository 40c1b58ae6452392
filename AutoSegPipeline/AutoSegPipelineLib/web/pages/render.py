"""Pages from templates: every value is escaped unless it is :class:`Html`, which only this package makes."""

from __future__ import annotations

import functools
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from ..context import WebContext, context_of
from ..gate.exposure_rule import warning
from ..gate.principal import KEY, Principal

_FOLDER = Path(__file__).resolve().parent.parent / "templates"


class Html(str):
    """Text that is HTML already."""


@functools.cache
def _template(name: str) -> Template:
    return Template((_FOLDER / f"{name}.html").read_text(encoding="utf-8"))


def fill(template: str, /, **values: Any) -> Html:
    """``template`` with ``values``; what is not :class:`Html` is escaped."""
    safe = {key: value if isinstance(value, Html) else escape(str(value)) for key, value in values.items()}
    return Html(_template(template).substitute(safe))


def page(
    request: Request,
    title: str,
    content: Html,
    *,
    style: str = "page",
    nav: Html | None = None,
    body_class: str = "",
    status: int = 200,
) -> HTMLResponse:
    """A whole page in the shell that all have in common."""
    context, found = context_of(request), principal_or_none(request)
    base = context.config.base_path
    text = fill(
        "shell",
        base=base,
        title=f"{title} · AutoSegPipeline" if title else "AutoSegPipeline",
        style=style,
        body_class=body_class,
        role=found.role if found else "",
        csrf=found.csrf if found else "",
        name=found.name if found else "",
        via=found.via if found else "",
        nav=nav or Html(""),
        account=_account(base, found),
        banner=_banner(context),
        content=content,
        version=context.config.version,
    )
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def _banner(context: WebContext) -> Html:
    """On every page: why this server should not be open to other machines as it is; mostly nothing."""
    text = warning(context.config, context.accounts.users.exist())
    return Html(f'<aside class="notice bad" aria-label="Warning">{escape(text)}</aside>\n' if text else "")


def principal_or_none(request: Request) -> Principal | None:
    """Who asks, or None on a public page without a login."""
    found: Principal | None = request.scope.get(KEY)
    return found


def _account(base: str, found: Principal | None) -> Html:
    if found is None:
        return Html("")
    if found.via != "session":
        return Html("")
    return fill("account", base=base, name=found.name, role=found.role, csrf=found.csrf)
