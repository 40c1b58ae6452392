"""Pages from Jinja's templates. Every value is escaped; no template may say ``safe``."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ..context import context_of
from ..gate.embedded import BASE, base_of
from ..gate.exposure_rule import warning
from ..gate.principal import KEY, Principal

FOLDER = Path(__file__).resolve().parent.parent / "templates"


@functools.cache
def environment() -> Environment:
    """What renders the templates: all values escaped, a name that nobody gave is an error."""
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        keep_trailing_newline=True,  # so that an included template ends its own line
    )


def page(
    request: Request, template: str, title: str = "", *, status: int = 200, **values: Any
) -> HTMLResponse:
    """The page ``template`` (a file name without its ending), in the frame that all pages share."""
    context = context_of(request)
    text = (
        environment()
        .get_template(f"{template}.html")
        .render(
            base=base_of(context, request.scope),
            embedded=BASE in request.scope,
            title=title,
            user=principal_or_none(request),
            warning=warning(context.config, context.accounts.users.exist()),
            version=context.config.version,
            **values,
        )
    )
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def principal_or_none(request: Request) -> Principal | None:
    """Who asks, or None on a public page without a login."""
    found: Principal | None = request.scope.get(KEY)
    return found
