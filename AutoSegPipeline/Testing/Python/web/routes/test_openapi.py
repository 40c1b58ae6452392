"""The OpenAPI document: whole, true to the routes, and answered without a server error."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from AutoSegPipelineLib.web.app import make_app
from AutoSegPipelineLib.web.config import WebConfig
from AutoSegPipelineLib.web.context import WebContext
from AutoSegPipelineLib.web.gate.access import TABLE
from fastapi.routing import APIRoute
from support.web import Served

# Pages and what they load, forms of pages, and tus for networks that let only GET and POST through.
HIDDEN = {
    ("GET", "/"), ("GET", "/upload"), ("GET", "/login"), ("POST", "/login"), ("POST", "/logout"),
    ("GET", "/view/{case}"), ("GET", "/compare/{case}"), ("GET", "/static/{name}"), ("GET", "/assets/{name}"),
    ("GET", "/share/{secret}"),
    ("GET", "/static/{name:path}"), ("GET", "/assets/{name:path}"), ("GET", "/favicon.ico"), ("GET", "/pacs"),
    ("POST", "/api/v1/uploads/{upload_id}"), ("GET", "/api/v1/openapi.json"), ("GET", "/table"),
    ("GET", "/login/provider"), ("GET", "/login/provider/back"), ("GET", "/account"), ("GET", "/admin"),
}  # fmt: skip
METHODS = {"get", "post", "put", "patch", "delete", "options"}
SECONDS = 0.4  # of asking, for each operation
EXAMPLES = 10  # and no more than so many requests


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home = Home.at(tmp_path_factory.mktemp("openapi"))
    home.create()
    context = WebContext.of(WebConfig.of(home, Settings.defaults()))
    yield make_app(context)
    context.close()


@pytest.fixture(scope="module")
def document(app: Any) -> dict[str, Any]:
    return dict(app.openapi())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield method.upper(), path, operation


def routes(app: Any) -> list[APIRoute]:
    """Every route of ours, those of included routers too."""
    found: list[APIRoute] = []

    def walk(some: Any) -> None:
        for one in some:
            if isinstance(one, APIRoute):
                found.append(one)
            else:
                walk(getattr(one, "routes", []) or [])

    walk(app.routes)
    return found


def test_every_route_that_is_no_page_stands_in_the_document(app: Any, document: dict[str, Any]) -> None:
    told = {(method, path) for method, path, _ in operations(document)}
    hidden = {
        (method, route.path)
        for route in routes(app)
        if not route.include_in_schema
        for method in route.methods
    }
    for row in TABLE:
        method, _, path = row.partition(" ")
        plain = path.replace(":path}", "}")
        assert (method, plain) in told | HIDDEN, row
    assert {(method, path) for method, path in hidden if method != "HEAD"} <= HIDDEN


def test_nothing_stands_in_the_document_that_is_not_served(document: dict[str, Any]) -> None:
    served = {row.replace(":path}", "}") for row in TABLE}
    assert {f"{method} {path}" for method, path, _ in operations(document)} <= served


def test_every_operation_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    seen = set()
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation.get("description"), where
        assert operation["operationId"] not in seen, where
        seen.add(operation["operationId"])
        answers = operation["responses"]
        assert any(status.startswith("2") for status in answers), where
        assert {"4XX", "5XX"} & set(answers) or path.startswith("/healthz"), where
        for status in {"4XX", "5XX"} & set(answers):
            assert set(answers[status]["content"]) == {"application/problem+json"}, where


def test_the_answers_of_the_api_have_types(document: dict[str, Any]) -> None:
    files = (
        "/log",
        ".zip",
        ".csv",
        "/table.{kind}",
        "/files/{name}",
        "/scan",
        "/download/{filename}",
        "/metrics",
    )
    for method, path, operation in operations(document):
        if path.endswith(files) or method == "OPTIONS":
            continue
        for status, answer in operation["responses"].items():
            schema = answer.get("content", {}).get("application/json", {}).get("schema")
            if status.startswith("2") and status not in ("204", "206") and method == "GET":
                assert schema and schema != {}, f"{method} {path} {status}"


def test_the_document_is_one_that_tools_read(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.")
    assert document["info"]["title"] == "AutoSegPipeline"
    assert "not a medical device" in document["info"]["description"]
    names = document["components"]["schemas"]
    for name in ("JobDocument", "ResultDocument", "Problem", "Changes"):
        assert name in names


def test_what_the_document_allows_is_answered_without_a_server_error(tmp_path: Path) -> None:
    if sys.version_info >= (3, 15):
        pytest.skip("schemathesis has no wheels for Python 3.15")
    import hypothesis
    import requests
    import schemathesis

    with Served(tmp_path) as page:
        jobs = [page.add_job(state) for state in (states.DONE, states.QUEUED, states.FAILED)]
        page.answer(lambda one: {"ok": True, "job": one.job or "", "state": "queued"})
        accounts = Accounts.of(page.home)
        accounts.users.add("root", "admin", "correct horse battery")
        _, secret = accounts.tokens.create("root", "test", "admin", 1)
        accounts.close()
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {secret}"
        told = page.get("/api/v1/openapi.json", authorization=f"Bearer {secret}").json()
        known = {"job_id": jobs[1].id, "case": jobs[0].id, "name": f"{jobs[0].name}.gltf"}
        for kind in ("application/offset+octet-stream", "multipart/related"):
            schemathesis.serializer.alias(kind, "application/octet-stream")
        schema = schemathesis.openapi.from_dict(told)
        until = 0.0
        asked: dict[str, set[int]] = {}
        base = f"http://127.0.0.1:{page.port}"

        def ask(case: Any) -> None:
            if time.monotonic() > until:
                return
            where = f"{case.operation.method.upper()} {case.operation.path}"
            # Half of the requests are about something that exists.
            for name in list(case.path_parameters or {}):
                if name in known and len(asked.setdefault(where, set())) % 2 == 0:
                    case.path_parameters[name] = known[name]
            if case.query:
                case.query = {k: v for k, v in dict(case.query).items() if k != "wait"}
            try:
                answer = case.call(base_url=base, session=session, timeout=10)
            except requests.exceptions.RequestException as error:
                # What no HTTP client can send never arrives; what arrives must be answered.
                assert not isinstance(error, requests.exceptions.ReadTimeout), f"{where}: no answer"
                return
            asked.setdefault(where, set()).add(answer.status_code)
            assert answer.status_code < 500, f"{where}: {answer.status_code} {answer.content[:500]!r}"
            if answer.status_code >= 400:
                kind = answer.headers.get("content-type", [""])[0]
                assert kind == "application/problem+json", f"{where}: {answer.status_code} {kind}"

        for found in schema.get_all_operations():
            operation = found.ok()
            until = time.monotonic() + SECONDS
            run = hypothesis.given(case=operation.as_strategy())(ask)
            run = hypothesis.settings(
                max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
                phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
            )(run)  # fmt: skip
            run()
        session.close()
        wanted = {found.ok().label for found in schema.get_all_operations()}
        assert len(set(asked) & wanted) > 0.8 * len(wanted), "time was too short to ask everything"
        assert not [one for one in page.told if one["type"] == "log" and one["level"] == "error"]
