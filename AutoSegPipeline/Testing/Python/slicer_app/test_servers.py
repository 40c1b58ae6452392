"""Starting and stopping the servers of a Slicer, and the handler on a stock one."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.slicer_app import servers as module
from AutoSegPipelineLib.slicer_app.server import stock_handler
from AutoSegPipelineLib.slicer_app.servers import Servers
from support.embedded_server import nothing_left
from support.pipeline import Bench, write_scan
from support.qt import run_until
from support.web_server import WebServerLogic, curl, slicer_web_server

__all__ = ["slicer_web_server"]


@pytest.fixture
def servers(bench: Bench, slicer_web_server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    autoseg = SimpleNamespace(pipeline=bench.pipeline, home=bench.home, settings=bench.settings)
    made = Servers(lambda: autoseg)  # type: ignore[arg-type, return-value]
    yield made
    made.unregister_from_stock()
    made.stop()


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> WebServerLogic:
    """The logic of the Web Server module's panel, its server running."""
    logic = WebServerLogic()
    logic.requestHandlers = ["the user's own"]
    logic.server = SimpleNamespace(requestHandlers=logic.requestHandlers)
    slicer: Any = types.ModuleType("slicer")
    slicer.util = SimpleNamespace(getModuleLogic=lambda name: {"WebServer": logic}[name])
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    return logic


def _with_account(bench: Bench) -> None:
    from AutoSegPipelineLib.web.accounts.accounts import Accounts

    accounts = Accounts.of(bench.home)
    accounts.users.add("ada", "admin", "correct horse battery staple")
    accounts.close()


def test_the_embedded_server_starts_says_where_and_stops(bench: Bench, servers: Servers) -> None:
    assert (servers.kind, servers.url) == ("", "")
    url = servers.start(port=0)
    assert (servers.kind, servers.url) == ("embedded", url)
    assert json.loads(curl(f"{url}/files")) == []
    again = servers.start(port=0)
    assert json.loads(curl(f"{again}/files")) == []
    servers.stop()
    servers.stop()
    assert (servers.kind, servers.url) == ("", "")
    assert "onnect" in curl(f"{again}/files")


def test_an_unknown_kind_and_settings_that_mean_nothing_are_said(servers: Servers) -> None:
    with pytest.raises(PipelineError, match="embedded or full"):
        servers.start("fully")
    with pytest.raises(PipelineError, match="has no host"):
        servers.start(host="0.0.0.0")


def test_while_accounts_exist_the_embedded_server_is_refused(bench: Bench, servers: Servers) -> None:
    _with_account(bench)
    with pytest.raises(PipelineError, match="full web server"):
        servers.start(port=0)
    assert servers.kind == ""


def _handler(servers: Servers, stock: WebServerLogic) -> Any:
    assert servers.register_with_stock() == "/autoseg/"
    return stock.requestHandlers[-1]


def _get(handler: Any, uri: bytes) -> Any:
    assert handler.canHandleRequest(method="GET", uri=uri, requestBody=b"") == 1.0
    return json.loads(handler.handleRequest(method="GET", uri=uri, requestBody=b"")[1])


def test_the_stock_server_carries_our_handler_only_when_asked(
    servers: Servers, stock: WebServerLogic
) -> None:
    assert not servers.is_registered and stock.requestHandlers == ["the user's own"]
    handler = _handler(servers, stock)
    assert servers.is_registered and stock.server.requestHandlers == ["the user's own", handler]
    servers.register_with_stock()
    assert len(stock.requestHandlers) == 2
    servers.unregister_from_stock()
    assert stock.requestHandlers == ["the user's own"] and not servers.is_registered


@pytest.mark.parametrize("uri", [b"/autosegment", b"/slicer/x", b"/", b"/x/autoseg/files"])
def test_the_handler_takes_nothing_outside_its_own_path(
    servers: Servers, stock: WebServerLogic, uri: bytes
) -> None:
    assert _handler(servers, stock).canHandleRequest(method="GET", uri=uri, requestBody=b"") == 0.0


def test_the_handler_takes_small_uploads_lists_and_hands_out_results(
    bench: Bench, servers: Servers, stock: WebServerLogic, tmp_path: Path
) -> None:
    handler = _handler(servers, stock)
    scan = write_scan(tmp_path / "a.nii").read_bytes()
    told = handler.handleRequest("POST", b"/autoseg/upload?name=raw.nii&quality=fast", scan)[1]
    assert json.loads(told) == {"accepted": 1}
    form = b'--b\r\nContent-Disposition: form-data; name="x"; filename="form.nii"\r\n\r\n' + scan
    handler.handleRequest("POST", b"/autoseg/upload", form + b"\r\n--b--\r\n")
    assert [job.state for job in bench.until_ended(2)] == ["done", "done"]
    assert next(job for job in bench.jobs() if job.name == "raw").options["quality"] == "fast"
    assert _get(handler, b"/autoseg/status")["counts"]["done"] == 2
    files = _get(handler, b"/autoseg/files")
    assert set(files) == set(bench.results())
    kind, data = handler.handleRequest("GET", b"/autoseg/download/raw.gltf", b"")
    assert (kind, data) == (b"application/octet-stream", (bench.home.results / "raw.gltf").read_bytes())


@pytest.mark.parametrize(
    ("method", "uri", "body", "status"),
    [
        ("GET", b"/autoseg/download/../state/store.sqlite", b"", 404),
        ("GET", b"/autoseg/download/%2e%2e%2fsettings.json", b"", 404),
        ("GET", b"/autoseg/download//etc/hostname", b"", 404),
        ("GET", b"/autoseg/nothing", b"", 404),
        ("DELETE", b"/autoseg/files", b"", 405),
        ("POST", b"/autoseg/upload", b"bytes without a name", 415),
        ("POST", b"/autoseg/upload", b"--b\r\nno end", 400),
        ("POST", b"/autoseg/upload?name=a.nii&quality=fats", b"x", 422),
    ],
)  # fmt: skip
def test_what_the_handler_cannot_do_is_said_in_its_answer(
    bench: Bench, servers: Servers, stock: WebServerLogic, method: str, uri: bytes, body: bytes, status: int
) -> None:
    kind, answer = _handler(servers, stock).handleRequest(method=method, uri=uri, requestBody=body)
    assert kind == b"application/problem+json" and json.loads(answer)["status"] == status
    run_until(lambda: nothing_left(bench))
    assert bench.jobs() == []


def test_an_upload_too_large_for_the_stock_server_is_refused(
    servers: Servers, stock: WebServerLogic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_handler, "UPLOAD_BYTES", 10)
    answer = _handler(servers, stock).handleRequest("POST", b"/autoseg/upload?name=a.nii", b"x" * 11)[1]
    assert json.loads(answer)["status"] == 413


def test_the_handler_refuses_while_accounts_exist(
    bench: Bench, servers: Servers, stock: WebServerLogic
) -> None:
    handler = _handler(servers, stock)
    _with_account(bench)
    assert _get(handler, b"/autoseg/files")["status"] == 403
    with pytest.raises(PipelineError, match="full web server"):
        servers.register_with_stock()
    assert module.accounts_exist(SimpleNamespace(home=bench.home))  # type: ignore[arg-type]
