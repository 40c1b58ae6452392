"""Commands that work through the store, with and without a pipeline."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.incoming import read_intent
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.lock import HomeLock
from AutoSegPipelineLib.core.store import Store
from support.headless import Running, autoseg, write_scan


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.at(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    made = Store(home.store)
    yield made
    made.close()


def add(store: Store, label: str, *path: str, **about: Any) -> Job:
    job = Job(label=label, **about)
    store.jobs.add(job)
    for state in path:
        store.jobs.enter(job, state)
    return job


class Pipeline:
    """Holds the home's lock and answers requests, as a running pipeline does."""

    def __init__(self, home: Home, answer: dict[str, Any]) -> None:
        self._home, self._answer = home, answer
        self._stop = threading.Event()
        self.asked: list[Any] = []

    def __enter__(self) -> Pipeline:
        self._lock = HomeLock(self._home.lock)
        self._lock.acquire("a test")
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def _serve(self) -> None:
        store = Store(self._home.store)
        while not self._stop.is_set():
            for request in store.requests.open():
                self.asked.append(request)
                store.requests.answer(request.id, self._answer)
                if request.kind == "stop":
                    self._lock.release()
            time.sleep(0.01)
        store.close()

    def __exit__(self, *unused: Any) -> None:
        self._stop.set()
        self._thread.join()
        self._lock.release()


def test_looking_makes_no_home(tmp_path: Path) -> None:
    for command in (["list"], ["status"], ["config", "show"]):
        assert autoseg("--home", tmp_path / "none", *command).returncode == 0
    assert not (tmp_path / "none").exists()


def test_list_shows_every_job_and_json_is_the_public_form_with_paths(home: Home, store: Store) -> None:
    add(store, "one.nii", "inspecting", "queued")
    done = add(store, "two.nii", "inspecting", "queued", "preparing", "exporting", "publishing")
    done.outputs = [{"kind": "gltf", "name": "two.gltf", "size": 1, "sha256": "0"}]
    store.jobs.enter(done, states.DONE)
    shown = autoseg("--home", home.root, "list").stdout
    assert "one.nii" in shown and "queued" in shown and done.id[:8] in shown
    listed = json.loads(autoseg("list", "--home", home.root, "--json").stdout)["jobs"]
    expected = store.jobs.get(done.id).to_dict()
    expected["outputs"][0]["path"] = str(home.results / "two.gltf")
    assert [job["label"] for job in listed] == ["one.nii", "two.nii"]
    assert listed[1] == expected
    only = json.loads(autoseg("--home", home.root, "list", "--state", "done", "--json").stdout)["jobs"]
    assert [job["label"] for job in only] == ["two.nii"]
    newest = json.loads(autoseg("--home", home.root, "list", "--limit", "1", "--json").stdout)["jobs"]
    assert [job["label"] for job in newest] == ["two.nii"]


def test_a_label_can_neither_steer_the_terminal_nor_break_an_ascii_one(home: Home, store: Store) -> None:
    add(store, "bad\x1b[31mü.nii")
    for encoding in ("utf-8", "ascii", "cp1252"):
        done = autoseg("--home", home.root, "list", env={"PYTHONIOENCODING": encoding})
        assert done.returncode == 0
        assert "bad?[31m" in done.stdout and "\x1b" not in done.stdout


def test_a_wrong_state_is_answered_with_the_nearest(home: Home) -> None:
    done = autoseg("--home", home.root, "list", "--state", "don")
    assert done.returncode == 2 and "did you mean 'done'" in done.stderr


def test_show_takes_the_first_letters_and_tells_error_hint_and_code(home: Home, store: Store) -> None:
    job = add(store, "flat.nii", "inspecting")
    job.error = PipelineError("input.constant", "flat.nii is constant").to_dict()
    store.jobs.enter(job, states.REFUSED)
    shown = autoseg("--home", home.root, "show", job.id[:6]).stdout
    for text in ("flat.nii is constant", "input.constant", "check the export", job.id):
        assert text in shown
    assert json.loads(autoseg("--home", home.root, "show", job.id, "--json").stdout)["error"] == job.error


def test_an_unknown_job_is_a_usage_error_also_as_json(home: Home, store: Store) -> None:
    done = autoseg("--home", home.root, "show", "abcdef", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "request.unknown_job"
    assert "there is no job abcdef" in done.stderr


@pytest.mark.parametrize(
    ("command", "kind", "args"),
    [
        (["cancel"], "cancel", {}),
        (["retry"], "retry", {}),
        (["priority"], "priority", {"priority": 90}),
        (["purge", "--yes"], "purge", {}),
    ],
)
def test_without_a_pipeline_a_wish_is_kept_for_the_next_start(
    home: Home, store: Store, command: list[str], kind: str, args: dict[str, Any]
) -> None:
    job = add(store, "one.nii", "inspecting", "queued")
    more = ["90"] if kind == "priority" else []
    done = autoseg("--home", home.root, *command, job.id[:8], *more)
    assert done.returncode == 0 and "takes effect when one starts" in done.stdout
    (request,) = store.requests.open()
    assert (request.kind, request.job, request.args) == (kind, job.id, args)
    assert store.jobs.get(job.id).state == states.QUEUED  # the pipeline is the only writer


def test_a_running_pipeline_answers(home: Home, store: Store) -> None:
    job = add(store, "one.nii", "inspecting", "queued")
    with Pipeline(home, {"ok": True}) as pipeline:
        done = autoseg("--home", home.root, "cancel", job.id)
    assert done.returncode == 0 and "one.nii: cancelled" in done.stdout
    assert [request.kind for request in pipeline.asked] == ["cancel"]


def test_the_pipelines_no_is_told_with_its_code(home: Home, store: Store) -> None:
    job = add(store, "one.nii")
    error = PipelineError("request.wrong_state", "it is done already").to_dict()
    with Pipeline(home, {"error": error}):
        done = autoseg("--home", home.root, "cancel", job.id)
    assert done.returncode == 2
    assert "it is done already (request.wrong_state)" in done.stderr


def test_stop_waits_until_the_pipeline_is_gone(home: Home, store: Store) -> None:
    with Pipeline(home, {"ok": True}):
        done = autoseg("--home", home.root, "stop")
    assert done.returncode == 0 and "stopped" in done.stdout


def test_stop_without_a_pipeline_leaves_no_wish_that_would_end_the_next_one(home: Home, store: Store) -> None:
    done = autoseg("--home", home.root, "stop")
    assert done.returncode == 2 and "request.no_pipeline" in done.stderr
    assert store.requests.open() == []


def test_whoever_only_looks_never_keeps_a_pipeline_from_starting(home: Home) -> None:
    starting, looking = HomeLock(home.lock), HomeLock(home.lock)
    starting.acquire("first")
    starting.release()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            looking.is_held()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(200):
            starting.acquire("again")
            starting.release()
    finally:
        stop.set()
        thread.join()


def test_pause_and_resume_are_asked_for(home: Home, store: Store) -> None:
    with Pipeline(home, {"ok": True}) as pipeline:
        for kind in ("pause", "resume"):
            assert autoseg("--home", home.root, kind).returncode == 0
    assert [request.kind for request in pipeline.asked] == ["pause", "resume"]


def test_status_tells_who_runs_and_what_waits(home: Home, store: Store) -> None:
    add(store, "one.nii", "inspecting", "queued")
    add(store, "two.nii", "inspecting", "queued", "preparing")
    store.meta.set("paused", {"code": "environment.disk_full", "reason": "the disk is full"})
    with Pipeline(home, {"ok": True}):
        status = json.loads(autoseg("--home", home.root, "status", "--json").stdout)
        shown = autoseg("--home", home.root, "status").stdout
    assert status["running"] and status["pipeline"]["what"] == "a test"
    assert status["counts"]["queued"] == 1
    assert [job["label"] for job in status["current"]] == ["two.nii"]
    assert "the disk is full" in shown and "two.nii" in shown
    assert not json.loads(autoseg("--home", home.root, "status", "--json").stdout)["running"]


def test_purge_asks_and_without_a_terminal_refuses_to_guess(home: Home, store: Store) -> None:
    job = add(store, "one.nii")
    done = autoseg("--home", home.root, "purge", job.id)
    assert done.returncode == 2 and "--yes" in done.stderr
    assert store.requests.open() == []


def test_log_prints_lines_for_people_and_follows_to_the_end(home: Home, store: Store) -> None:
    job = add(store, "one.nii", "inspecting", "queued", "preparing")
    path = home.job_log(job.id)

    def write(text: str) -> None:
        with open(path, "a") as stream:
            stream.write(json.dumps({"at": "2026-01-01T00:00:00Z", "level": "error", "text": text}) + "\n")

    write("first\x1b[2J")
    done = autoseg("--home", home.root, "log", job.id)
    assert done.stdout == "2026-01-01T00:00:00Z error: first?[2J\n"
    with Running("--home", home.root, "log", job.id[:8], "--follow") as following:
        following.wait_for("first")
        write("second")
        following.wait_for("second")
        assert following.process.poll() is None
        write("last")
        job.error = PipelineError("engine.failed", "no").to_dict()
        store.jobs.enter(job, states.FAILED)
        assert following.end() == 0
    assert following.text.endswith("last")


def test_submit_copies_the_bytes_and_leaves_the_callers_file(home: Home, tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "söurce" / "my scan.nii.gz")
    before = scan.read_bytes()
    done = autoseg("--home", home.root, "submit", scan, tmp_path / "none.nii", "--quality", "fast", "--json")
    assert done.returncode == 1  # one of the two is missing
    first, second = json.loads(done.stdout)["submitted"]
    intent = read_intent(home.incoming / first["id"])
    assert intent is not None and intent.options == {"quality": "fast"} and intent.label == "my scan.nii.gz"
    staged = home.incoming / first["id"] / "input" / intent.files[0].name
    assert staged.read_bytes() == before == scan.read_bytes()
    store = Store(home.store)
    assert [(r.kind, r.args) for r in store.requests.open()] == [("adopt", {"id": first["id"]})]
    store.close()
    assert second["error"]["code"] == "input.missing"
