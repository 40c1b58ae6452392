"""The one ASGI application: every router, the middleware, the shape of errors."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from typing import Any, AsyncIterator

from fastapi import FastAPI

from . import problems
from .context import WebContext

# Each exports ``router``; the order is the order in which addresses are tried.
ROUTES = (
    "health", "status", "original", "jobs", "results", "events", "engines",
    "login", "account", "audit", "links", "uploads", "pages",
)  # fmt: skip
_HERE = __package__ or "AutoSegPipelineLib.web"


def make_app(context: WebContext) -> FastAPI:
    """The application that serves ``context``; it closes the context's store when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(context.close)
            for begin in context.shared.get("lifespans", []):
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
    )
    app.state.context = context
    problems.install(app)
    for name in ROUTES:
        module = _module(f"{_HERE}.routes.{name}")
        if module is not None:
            app.include_router(module.router)
    security = _module(f"{_HERE}.security")
    if security is not None:
        security.install(app, context)
    return app


def _module(name: str) -> Any:
    return importlib.import_module(name) if importlib.util.find_spec(name) else None
