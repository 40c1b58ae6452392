"""The one ASGI application: every router, the middleware, the shape of errors."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from typing import Any, AsyncIterator

from fastapi import Depends, FastAPI

from . import problems, security, webhooks
from .context import WebContext

# Each exports ``router`` and may export ``lifespan(context)``, an asynchronous context manager that is
# open as long as the application; the order is the order in which addresses are tried.
ROUTES = (
    "events", "health", "status", "original", "jobs", "results", "scan", "engines",
    "login", "account", "audit", "links", "uploads", "pages",
)  # fmt: skip
_HERE = __package__ or "AutoSegPipelineLib.web"


def make_app(context: WebContext) -> FastAPI:
    """The application that serves ``context``; it closes the context's store when it ends."""

    modules = [module for module in map(_route, ROUTES) if module is not None]

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(context.close)
            for module in [*modules, webhooks]:
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
    for module in modules:
        app.include_router(module.router)
    security.install(app, context)
    return app


def _describe(app: FastAPI) -> None:
    """Let the OpenAPI document say that errors are problem details, and how a program says who it is."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
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
    for status, answer in answers.items():
        content = answer.get("content", {})
        if status in ("4XX", "5XX") and "application/json" in content:
            answer["content"] = {problems.MEDIA_TYPE: content["application/json"]}


def _route(name: str) -> Any:
    return _module(f"{_HERE}.routes.{name}")


def _module(name: str) -> Any:
    return importlib.import_module(name) if importlib.util.find_spec(name) else None
