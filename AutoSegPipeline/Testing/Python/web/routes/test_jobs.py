"""``/api/v1/jobs``: listing, paging, filters, showing, changing, the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core import states
from support.web import Served, WebBench, served


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from served(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def many(page: Served) -> list[str]:
    """Ids of seven jobs in the order of their arrival."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        (states.DONE, {"label": "heart.nii.gz"}),
        (states.QUEUED, {"label": "100%_liver.nii.gz", "door": "web", "submitted_by": "ann"}),
        (states.FAILED, {"label": "knee.nii.gz"}),
        (states.SEGMENTING, {"label": "Lung.nii.gz"}),
        (states.DONE, {"label": "heart2.nii.gz", "door": "web"}),
        (states.REFUSED, {"label": "slice.nii.gz"}),
        (states.RECEIVING, {"label": "late.nii.gz"}),
    ]
    return [page.add_job(state, **about).id for state, about in kinds]


def ids(page: Served, query: str = "") -> list[str]:
    answer = page.get(f"/api/v1/jobs{query}")
    assert answer.status == 200, answer.body
    return [job["id"] for job in answer.json()["jobs"]]


def test_jobs_are_listed_the_newest_first(page: Served, many: list[str]) -> None:
    assert ids(page) == many[::-1]
    assert ids(page, "?order=oldest") == many


def test_pages_follow_one_another_without_gap_or_repeat(page: Served, many: list[str]) -> None:
    found, cursor, rounds = [], "", 0
    while cursor is not None and rounds < 10:
        answer = page.get(f"/api/v1/jobs?limit=3{'&cursor=' + cursor if cursor else ''}").json()
        found += [job["id"] for job in answer["jobs"]]
        cursor, rounds = answer["cursor"], rounds + 1
    assert (found, rounds) == (many[::-1], 3)


def test_a_job_that_arrives_meanwhile_does_not_shift_the_pages(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        old = [page.add_job(states.QUEUED).id for _ in range(4)]
        first = page.get("/api/v1/jobs?limit=2").json()
        page.add_job(states.QUEUED)
        second = page.get(f"/api/v1/jobs?limit=2&cursor={first['cursor']}").json()
        seen = [job["id"] for job in first["jobs"] + second["jobs"]]
        assert seen == old[::-1]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("?state=done", [4, 0]),
        ("?state=done,failed", [4, 2, 0]),
        ("?state=waiting", [6, 1]),
        ("?state=running", [3]),
        ("?state=ended", [5, 4, 2, 0]),
        ("?door=web", [4, 1]),
        ("?search=heart", [4, 0]),
        ("?search=lung", [3]),
        ("?search=%25_", [1]),
        ("?search=nobody", []),
        ("?state=done&door=web&search=heart", [4]),
    ],
)
def test_filters_leave_what_they_say(page: Served, many: list[str], query: str, places: list[int]) -> None:
    assert ids(page, query) == [many[place] for place in places]


def test_since_gives_what_changed_after_a_revision_in_that_order(page: Served, many: list[str]) -> None:
    revision = page.get(f"/api/v1/jobs/{many[3]}").json()["revision"]
    assert ids(page, f"?since={revision}") == many[4:]
    first = page.get(f"/api/v1/jobs?since={revision}&limit=2").json()
    rest = page.get(f"/api/v1/jobs?since={revision}&limit=2&cursor={first['cursor']}").json()
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == many[4:]
    assert rest["cursor"] is None


@pytest.mark.parametrize(
    "query",
    [
        "?state=donne",
        "?limit=0",
        "?limit=9999",
        "?cursor=x",
        "?cursor=-1",
        "?order=up",
        "?since=-1",
        "?since=x",
    ],
)
def test_a_filter_that_makes_no_sense_is_a_problem_with_a_code(page: Served, query: str) -> None:
    answer = page.get(f"/api/v1/jobs{query}")
    assert (answer.status, answer.json()["code"]) == (422, "request.invalid")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_state_is_answered_with_the_nearest(page: Served) -> None:
    assert "'done'" in page.get("/api/v1/jobs?state=donne").json()["detail"]


def test_a_job_is_shown_with_links_and_without_private_fields(page: Served, many: list[str]) -> None:
    job = page.get(f"/api/v1/jobs/{many[0]}").json()
    assert job["label"] == "heart.nii.gz" and job["state"] == "done"
    assert job["links"] == {
        "self": f"/api/v1/jobs/{many[0]}",
        "log": f"/api/v1/jobs/{many[0]}/log",
        "files": f"/api/v1/results/{many[0]}",
        "zip": f"/api/v1/results/{many[0]}.zip",
    }
    assert not {"staged", "attempt", "out", "content"} & set(job)
    assert page.get(f"/api/v1/jobs/{many[2]}").json()["links"]["files"] is None


def test_the_first_letters_of_an_id_suffice(page: Served, many: list[str]) -> None:
    assert page.get(f"/api/v1/jobs/{many[0][:12]}").json()["id"] == many[0]


def test_what_does_not_exist_is_a_problem_too(page: Served) -> None:
    for path, status, code in [
        ("/api/v1/jobs/0123456789ab", 404, "request.unknown_job"),
        ("/api/v1/nothing", 404, "request.not_found"),
    ]:
        answer = page.get(path)
        assert (answer.status, answer.json()["code"]) == (status, code)
        assert set(answer.json()) >= {"type", "title", "status", "detail", "code", "hint"}


def test_a_method_that_is_not_there_says_which_are(page: Served) -> None:
    answer = page.request("PUT", "/api/v1/status", b"")
    assert (answer.status, answer.json()["code"]) == (405, "request.method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_the_log_is_text_and_empty_while_there_is_none(page: Served, many: list[str]) -> None:
    answer = page.get(f"/api/v1/jobs/{many[0]}/log")
    assert (answer.status, answer.body) == (200, b"")
    page.home.job_log(many[0]).write_text('{"at": "now", "level": "info", "text": "hello"}\n')
    answer = page.get(f"/api/v1/jobs/{many[0]}/log")
    assert b"hello" in answer.body
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_change_is_asked_of_the_pipeline_in_the_callers_name(tmp_path: Path) -> None:
    heard = []

    def answer(one: Any) -> dict[str, Any]:
        heard.append((one.kind, one.job, one.args, one.by))
        return {"ok": True, "job": one.job, "state": "cancelled"}

    with Served(tmp_path) as page:
        page.answer(answer)
        job = page.add_job(states.QUEUED)
        assert page.request("POST", f"/api/v1/jobs/{job.id}/cancel").json() == {
            "ok": True,
            "job": job.id,
            "state": "cancelled",
        }
        page.request("PATCH", f"/api/v1/jobs/{job.id[:8]}", {"priority": 90})
        page.request("POST", f"/api/v1/jobs/{job.id}/retry")
        page.request("DELETE", f"/api/v1/jobs/{job.id}")
    kinds = [(kind, found, args) for kind, found, args, _ in heard]
    assert kinds == [
        ("cancel", job.id, {}),
        ("priority", job.id, {"priority": 90}),
        ("retry", job.id, {}),
        ("purge", job.id, {}),
    ]
    assert all(by for _, _, _, by in heard)


def test_what_the_pipeline_refuses_comes_back_with_its_code(tmp_path: Path) -> None:
    error = {"code": "request.wrong_state", "message": "it is done already", "hint": "look"}
    with Served(tmp_path) as page:
        page.answer(lambda one: {"error": error})
        job = page.add_job(states.DONE)
        answer = page.request("POST", f"/api/v1/jobs/{job.id}/cancel")
        told = answer.json()
        assert (answer.status, told["code"], told["detail"]) == (409, "request.wrong_state", error["message"])


@pytest.mark.parametrize("body", [{"priority": 101}, {"priority": "x"}, {}, {"prio": 3}, []])
def test_a_wrong_change_never_reaches_the_pipeline(page: Served, many: list[str], body: Any) -> None:
    answer = page.request("PATCH", f"/api/v1/jobs/{many[1]}", body)
    assert (answer.status, answer.json()["code"]) == (422, "request.invalid")
    assert page.store.requests.open() == []


def test_without_a_pipeline_nothing_is_asked(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        job = page.add_job(states.QUEUED)
        page._lock.release()
        answer = page.request("POST", f"/api/v1/jobs/{job.id}/cancel")
        assert (answer.status, answer.json()["code"]) == (503, "request.no_pipeline")
        assert page.store.requests.open() == []


def test_a_real_pipeline_does_what_it_is_asked_over_http(tmp_path: Path) -> None:
    with WebBench(tmp_path, do="slow20000") as bench:
        bench.drop("a.nii", 1)
        bench.until(lambda: bench.jobs() and bench.jobs()[0].state == states.SEGMENTING)
        running = bench.jobs()[0].id
        bench.drop("b.nii", 2)
        bench.until(lambda: len(bench.jobs()) == 2 and bench.jobs()[1].state == states.QUEUED)
        waiting = bench.jobs()[1].id
        changed = bench.request("PATCH", f"/api/v1/jobs/{waiting}", {"priority": 7})
        assert changed.json()["priority"] == 7
        for job in (waiting, running):
            assert bench.request("POST", f"/api/v1/jobs/{job}/cancel").status == 200
        bench.until_ended(2)
        assert bench.request("DELETE", f"/api/v1/jobs/{waiting}").status == 200
        assert [job.id for job in bench.jobs()] == [running]


def test_many_jobs_are_reviewed_at_once_and_one_that_is_gone_stops_no_other(tmp_path: Path) -> None:
    with WebBench(tmp_path) as bench:
        for seed, name in enumerate("ab"):
            bench.drop(f"{name}.nii", seed)
        first, second = (job.id for job in bench.until_ended(2))
        body = {"jobs": [first, "0123456789ab", second[:8], first], "mark": "bad", "remark": "motion"}
        answer = bench.request("POST", "/api/v1/jobs/review", body).json()["jobs"]
        assert [one["job"] for one in answer] == [first, "0123456789ab", second[:8]]
        codes = [one["error"] and one["error"]["code"] for one in answer]
        assert codes == [None, "request.unknown_job", None]
        assert [bench.job(one).review["remark"] for one in (first, second)] == ["motion", "motion"]
        one = bench.request("PUT", f"/api/v1/jobs/{first}/review", {"mark": "good"}).json()
        assert (one["review"]["mark"], one["review"]["remark"], one["review"]["by"]) == ("good", "", "local")
        assert bench.request("PUT", f"/api/v1/jobs/{first}/review", {"mark": "fine"}).status == 422
        assert bench.request("PUT", f"/api/v1/jobs/{first}/review", {}).json()["review"] == {}
