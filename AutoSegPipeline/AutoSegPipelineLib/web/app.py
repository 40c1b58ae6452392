"""The one ASGI application: every router, the middleware, the shape of errors."""

from __future__ import annotations

import contextlib
from types import ModuleType
from typing import Any, AsyncIterator

from fastapi import Depends, FastAPI

from . import webhooks
from .context import WebContext
from .gate import security
from .pages import problems
from .routes import (
    account,
    account_pages,
    audit,
    dicom_web,
    engines,
    events,
    health,
    jobs,
    links,
    login,
    many_jobs,
    models,
    original,
    own_login,
    pacs,
    pages,
    results,
    resumable_uploads,
    scan,
    single_sign_on,
    status,
    table,
    uploads,
    users,
)

# Each exports ``router`` and may export ``lifespan(context)``, an asynchronous context manager that is
# open as long as the application; the order is the order in which addresses are tried.
_MODULES: tuple[ModuleType, ...] = (
    events, health, status, original, many_jobs, jobs, results, table, scan, engines,
    login, single_sign_on, account, own_login, users, audit, links, account_pages, models,
    uploads, resumable_uploads, dicom_web, pacs, pages,
)  # fmt: skip


def make_app(context: WebContext) -> FastAPI:
    """The application that serves ``context``; it closes the context's store when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(context.close)
            for module in (*_MODULES, webhooks):
                begin = getattr(module, "lifespan", None)
                if begin is not None:
                    await stack.enter_async_context(begin(context))
            yield

    app = FastAPI(
        title="AutoSegPipeline",
        description="Scans in, named 3D anatomy out. For research, not a medical device.",
        version=context.config.version,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(security.enforce)],
    )
    app.state.context = context
    _describe(app)
    problems.install(app)
    for module in _MODULES:
        app.include_router(module.router)
    security.install(app, context)
    return app


def _describe(app: FastAPI) -> None:
    """Let the OpenAPI document say that errors are problem details, and how a program says who it is."""
    plain = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            document = plain()
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{}, {"token": []}]
            for methods in document["paths"].values():
                for operation in methods.values():
                    _problems(operation["responses"])
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]


def _problems(answers: dict[str, Any]) -> None:
    for number, answer in answers.items():
        content = answer.get("content", {})
        if number in ("4XX", "5XX") and "application/json" in content:
            answer["content"] = {problems.MEDIA_TYPE: content["application/json"]}
