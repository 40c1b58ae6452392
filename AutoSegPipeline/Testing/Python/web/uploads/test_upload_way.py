"""An upload crosses at most eight files of ours on its way from the route to the intent."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import support.skeleton as skeleton
from AutoSegPipelineLib.core import crash_points
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.web.app import make_app
from AutoSegPipelineLib.web.config import WebConfig
from AutoSegPipelineLib.web.context import WebContext
from support.pipeline import write_scan
from support.uploads import form

ROOMS = ("web/uploads/", "web/routes/", "intake/")


def test_an_upload_crosses_the_files_that_the_docs_name(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    context = WebContext.of(WebConfig.of(home, Settings.defaults()))
    app = make_app(context)
    body, kind = form(("file", "scan.nii", write_scan(tmp_path / "scan.nii").read_bytes()), quality="fast")
    crossed: set[str] = set()
    statuses: list[int] = []
    handed: list[str] = []
    asked: list[bool] = []

    def profile(frame: Any, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and asked and not handed and skeleton.LIBRARY in path.parents:
            name = path.relative_to(skeleton.LIBRARY).as_posix()
            if name.startswith(ROOMS):
                crossed.add(name)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    async def ask() -> None:
        host = b"127.0.0.1:%d" % (context.port or 80)
        headers = [(b"host", host), (b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
            "scheme": "http",
            "path": "/upload", "raw_path": b"/upload", "query_string": b"", "headers": headers,
            "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", context.port or 80), "root_path": "",
        }  # fmt: skip
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0)  # the sweep, which is not on the way, sleeps from now on
            asked.append(True)
            await app(scope, receive, send)

    crash_points.listener = lambda step: handed.append(step) if step == "input handed over" else None
    # Before the threads of the uploads start: they have it from their start or not at all.
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        asyncio.run(ask())
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        crash_points.listener = None
    assert statuses[0] in (200, 202) and handed
    docs = (skeleton.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = docs[docs.index("The way of an upload") :].split("\n\n")[0]
    assert crossed and len(crossed) <= 8, " ".join(sorted(crossed))
    assert {name for name in crossed if f"`{name}`" not in named} == set()
    assert named.count("`web/") + named.count("`intake/") == len(crossed)
