"""Uploads that wait while the program is updated: the documents of the version before are read."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core import states
from support.uploads import Site

UPLOADS = "/api/v1/uploads"
OWNER = "local"
HALF, SLICES, RECORD, PLANNED, JOB = (letter * 32 for letter in "abcde")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A home that is not served yet."""
    made = Site(tmp_path / "home")
    made.home.create()
    yield made
    made.stop()


def write(site: Site, folder: str, name: str, text: str, **files: bytes) -> None:
    """A folder of the version before: one document and its files."""
    place = site.uploads / folder
    place.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (place / file).write_bytes(data)
    (place / name).write_text(text, encoding="utf-8")


def upload(**values: Any) -> str:
    """``upload.json`` as the version before wrote it: all keys, and its names for them."""
    now = time.time()
    document = {
        "owner": OWNER, "id": "", "kind": "tus", "state": "open", "length": 0, "label": "", "metadata": "",
        "sha256": "", "wish": {"options": {}, "name": "", "expect": "scan", "batch": ""}, "batch": "",
        "created": now, "expires": now + 3600, "files": [], "jobs": [], "offset": 0,
    }  # fmt: skip
    assert set(values) <= set(document)
    return json.dumps({**document, **values})


def test_half_an_upload_goes_on(site: Site, scan: Path) -> None:
    data = scan.read_bytes()
    wish = {"options": {"quality": "fast"}, "name": "my-scan", "expect": "scan", "batch": ""}
    about = upload(id=HALF, length=len(data), label="half.nii.gz", wish=wish, offset=0)
    write(site, HALF, "upload.json", about, data=data[:900])
    site.start()
    path = f"{UPLOADS}/{HALF}"
    assert site.offset(path) == 900
    answer = site.patch(path, 900, data[900:])
    assert answer.status == 204, answer
    (job,) = site.ended(answer.headers["autoseg-jobs"])
    assert (job.state, job.label, job.name) == (states.DONE, "half.nii.gz", "my-scan")
    assert job.options["quality"] == "fast"


def test_a_batch_that_waits_is_finished(site: Site, scan: Path) -> None:
    data = scan.read_bytes()
    wish = {"options": {"quality": "fast"}, "name": "", "expect": "scan", "batch": "batch-of-2"}
    checksum = hashlib.sha256(data).hexdigest()
    for folder, kind, file in ((HALF, "tus", "data"), (SLICES, "files", "f000001")):
        one = {
            "file": f"{folder}/{file}",
            "label": f"folder/{kind}.nii.gz",
            "size": len(data),
            "sha256": checksum,
        }
        about = upload(
            id=folder, kind=kind, state="whole", length=len(data), wish=wish, batch="batch-of-2", files=[one]
        )
        write(site, folder, "upload.json", about, **{file: data})
    # What became of another batch, asked once more.
    done = upload(id=RECORD, kind="batch", state="done", batch="batch-done", jobs=["f" * 32], wish=wish)
    write(site, RECORD, "upload.json", done)
    site.start()
    assert site.ask("POST", f"{UPLOADS}/batches/batch-done/finish").status == 201
    assert site.jobs() == []
    answer = site.ask("POST", f"{UPLOADS}/batches/batch-of-2/finish")
    assert answer.status == 201, answer
    site.until(lambda: len(site.jobs()) == 2 and all(job.ended for job in site.jobs()))
    assert {(job.state, job.label, job.options["quality"]) for job in site.jobs()} == {
        (states.DONE, "folder/tus.nii.gz", "fast"),
        (states.DONE, "folder/files.nii.gz", "fast"),
    }


def test_a_plan_that_was_not_carried_out_becomes_its_job(site: Site, scan: Path) -> None:
    data = scan.read_bytes()
    file = {"name": "000001.nii.gz", "source": None, "original": "form.nii.gz", "size": 0, "mtime_ns": 0}
    intent = {
        "id": JOB, "door": "web", "by": OWNER, "input": "form.nii.gz", "label": "form.nii.gz", "name": "",
        "options": {"quality": "fast"}, "file_options": {}, "folder_options": {}, "expect": "scan",
        "only": [], "labels": None,
        "files": [{**file, "size": len(data)}],
        "consume": False, "container": False, "out": "", "series_key": None, "supersedes": None, "version": 1,
        "parent": None, "refusal": None, "union": [],
    }  # fmt: skip
    plan = {"owner": OWNER, "jobs": [{"intent": intent, "moves": [[f"{PLANNED}/f000001", "000001.nii.gz"]]}]}
    write(site, PLANNED, "plan.json", json.dumps(plan), f000001=data, lock=b"")
    site.start()
    site.until(lambda: site.jobs())
    (job,) = site.ended(JOB)
    assert (job.state, job.submitted_by, job.options["quality"]) == (states.DONE, OWNER, "fast")
    site.until(lambda: not (site.uploads / PLANNED).exists())
