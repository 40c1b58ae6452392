"""Ten thousand jobs: windows in the order of the work, counts, ids, one action for many, one archive."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote

import pytest
from AutoSegPipelineLib.core import states
from support.web import Served, served


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from served(tmp_path_factory.mktemp("many"))


@pytest.fixture(scope="module")
def mixed(page: Served) -> list[str]:
    """Labels in the order in which the page shows them."""
    about: list[tuple[str, str, dict[str, Any]]] = [
        (states.DONE, "first.nii.gz", {"submitted_by": "ann"}),
        (states.QUEUED, "second.nii.gz", {}),
        (states.QUEUED, "urgent.nii.gz", {"priority": 90}),
        (states.SEGMENTING, "now.nii.gz", {}),
        (states.RECEIVING, "arriving.nii.gz", {}),
        (states.REFUSED, "Übergröße.nii.gz", {"door": "web"}),
    ]
    for state, label, more in about:
        page.add_job(state, label=label, **more)
    return [
        "now.nii.gz",
        "arriving.nii.gz",
        "urgent.nii.gz",
        "second.nii.gz",
        "Übergröße.nii.gz",
        "first.nii.gz",
    ]


def work(page: Served, query: str = "") -> dict[str, Any]:
    answer = page.get(f"/api/v1/jobs?order=work{query}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


def labels(found: dict[str, Any]) -> list[str]:
    return [job["label"] for job in found["jobs"]]


def test_what_runs_stands_first_then_what_arrives_the_queue_and_what_has_ended(
    page: Served, mixed: list[str]
) -> None:
    found = work(page)
    assert labels(found) == mixed
    assert found["total"] == 6 and found["counts"]["queued"] == 2 and found["counts"]["failed"] == 0
    places = {job["label"]: found["places"].get(job["id"]) for job in found["jobs"]}
    assert places["urgent.nii.gz"] == 0 and places["second.nii.gz"] == 1 and places["now.nii.gz"] is None


def test_every_window_and_every_page_by_cursor_is_a_piece_of_that_order(
    page: Served, mixed: list[str]
) -> None:
    for offset in range(7):
        for limit in (1, 2, 3, 6):
            assert labels(work(page, f"&offset={offset}&limit={limit}")) == mixed[offset : offset + limit]
    first = work(page, "&limit=4")
    rest = work(page, f"&limit=4&cursor={first['cursor']}")
    assert labels(first) + labels(rest) == mixed and rest["cursor"] is None


def test_a_filter_narrows_the_window_and_the_counts_stay_those_of_all_states(
    page: Served, mixed: list[str]
) -> None:
    found = work(page, "&state=ended&search=first")
    assert labels(found) == ["first.nii.gz"] and found["total"] == 1
    assert work(page, "&state=ended")["counts"]["queued"] == 2
    alone = work(page, "&state=queued&search=second")
    assert list(alone["places"].values()) == [1], "its place is that in the complete queue"
    assert labels(work(page, "&door=web")) == ["Übergröße.nii.gz"]


@pytest.mark.parametrize("text", ["FIRST", "ann", "übergrÖße", "Übergröße.NII"])
def test_a_search_finds_name_and_submitter_without_regard_to_case(
    page: Served, mixed: list[str], text: str
) -> None:
    assert len(work(page, f"&search={quote(text)}")["jobs"]) == 1


def test_a_job_is_found_by_the_beginning_of_its_id_and_several_by_their_ids(
    page: Served, mixed: list[str]
) -> None:
    ids = [job["id"] for job in work(page)["jobs"]]
    assert labels(work(page, f"&search={ids[2][:12]}")) == [mixed[2]]
    assert labels(work(page, f"&ids={ids[3]},{ids[0]}")) == [mixed[0], mixed[3]]


def test_a_name_that_was_too_long_is_found_by_what_its_sender_calls_it(page: Served) -> None:
    from AutoSegPipelineLib.intake.received.client_input import clean_name

    for name in ("patient " + "very long " * 30 + ".nii.gz", "頭部" * 120 + ".nii.gz"):
        kept = page.add_job(states.CANCELLED, label=clean_name(name)).label
        assert kept != name
        assert labels(work(page, f"&search={quote(name)}")) == [kept]
        assert page.get(f"/api/v1/results?search={quote(name)}").status == 200


def test_counts_and_ids_are_those_of_the_list(page: Served, mixed: list[str]) -> None:
    counts = page.get("/api/v1/jobs/counts?search=nii").json()
    assert counts["counts"] == work(page, "&search=nii")["counts"]
    assert counts["total"] == sum(counts["counts"].values())
    ids = page.get("/api/v1/jobs/ids?state=waiting,done").json()
    assert ids["ids"] == [job["id"] for job in work(page, "&state=waiting,done")["jobs"]] and ids["complete"]


def test_the_condition_of_a_list_reads_no_row_but_those_it_shows(page: Served, mixed: list[str]) -> None:
    from AutoSegPipelineLib.core.store.job_filter import JobFilter
    from AutoSegPipelineLib.core.store.scope import Scope

    where, values = JobFilter(("done",), "x", "web", scope=Scope(owner="ann")).where()
    plan = page.store._database.rows(
        f"EXPLAIN QUERY PLAN SELECT rowid FROM jobs INDEXED BY jobs_by_words WHERE {where}", values
    )
    assert "COVERING INDEX jobs_by_words" in str([tuple(row) for row in plan])


def test_one_request_acts_on_many_jobs_and_answers_for_each(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        jobs = [page.add_job(states.FAILED) for _ in range(5)]
        page.answer(lambda one: {"ok": True, "state": "inspecting"})
        ids = [job.id for job in jobs]
        answer = page.request("POST", "/api/v1/jobs/actions", {"action": "retry", "jobs": [*ids, "0" * 32]})
        assert answer.status == 200, answer.body
        found = answer.json()
        assert found["done"] == ids
        assert [(one["job"], one["code"]) for one in found["failed"]] == [("0" * 32, "request.unknown_job")]
        asked = [one.kind for one in page.store.requests.open()]
        assert asked == []
        assert page.request("POST", "/api/v1/jobs/actions", {"action": "retri", "jobs": ids}).status == 422


def test_several_results_come_in_one_archive_with_a_folder_each(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        one, two = (
            page.add_job(states.DONE, {".gltf": name, ".manifest.json": b"{}"}) for name in (b"1", b"22")
        )
        other = page.add_job(states.FAILED)
        answer = page.get(f"/api/v1/results.zip?jobs={one.id},{two.id}")
        assert answer.status == 200 and "results-2.zip" in answer.headers["content-disposition"]
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            assert archive.read(f"{one.name}/{one.name}.gltf") == b"1"
            assert archive.read(f"{two.name}/{two.name}.gltf") == b"22"
            assert len(archive.namelist()) == 4
        assert page.get(f"/api/v1/results.zip?jobs={one.id},{other.id}").status == 404
        form = page.request("POST", "/api/v1/results.zip", f"jobs={one.id}".encode())
        assert form.status == 200 and "results-1.zip" in form.headers["content-disposition"]
        for wrong in ("", "jobs=", "jobs=" + "a" * 33001):
            assert page.request("POST", "/api/v1/results.zip", wrong.encode()).status == 422, wrong[:9]
        assert (
            "results-1.zip"
            in page.get(f"/api/v1/results.zip?search={one.name}").headers["content-disposition"]
        )
