"""What a share link gives away of a result besides the result itself: no name unless its sharer wants it."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.web.gate.shared_names import unnamed_scene
from support.security import Answer, Served

NAME = "Roe_Jane_1970"


@pytest.fixture(scope="module", params=["all", "own"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("names") / "home", visibility=request.param) as made:
        yield made


@pytest.fixture(scope="module")
def job(served: Served) -> Job:
    job = served.result(NAME, "olga")
    scene = json.dumps({"scenes": [{"name": job.label}], "nodes": [{"name": job.label}]})
    (served.home.results / f"{NAME}.gltf").write_text(scene)
    return job


def opened(served: Served, job: Job, names: bool) -> str:
    """The cookie of a browser that opened a link which olga made on the page."""
    answer = served.log_in("olga").json("POST", "/api/v1/links", {"job": job.id, "names": names})
    assert (answer.status, answer.json["names"]) == (201, names)
    link = served.ask("GET", "/share/" + answer.json["url"].rpartition("/")[2])
    assert link.status == 303
    return link.cookies[0].partition(";")[0]


def pages(served: Served, job: Job, cookie: str) -> dict[str, Answer]:
    base = f"/api/v1/results/{job.id}"
    paths = [f"/view/{job.id}", base, f"/api/v1/jobs/{job.id}", "/api/v1/jobs", "/api/v1/events?since=0"]
    found = {path: served.ask("GET", path, headers={"Cookie": cookie}) for path in paths}
    for one in found[base].json["files"]:
        found[one["href"]] = served.ask("GET", one["href"], headers={"Cookie": cookie})
    return found


def test_nothing_that_a_link_opens_holds_the_name_or_who_uploaded_it(served: Served, job: Job) -> None:
    cookie = opened(served, job, False)
    found = pages(served, job, cookie)
    assert len([path for path in found if "/files/" in path]) == 2, "the report holds the name, so it stays"
    for path, answer in found.items():
        assert answer.status == 200, (path, answer)
        shown = (str(answer.headers) + answer.body.decode()).lower()
        assert NAME.lower() not in shown, path
        if "/files/" not in path:
            assert "olga" not in shown, path
    archive = served.ask("GET", f"/api/v1/results/{job.id}.zip", headers={"Cookie": cookie})
    assert NAME not in str(archive.headers)
    with zipfile.ZipFile(io.BytesIO(archive.body)) as packed:
        assert sorted(packed.namelist()) == [
            f"result-{job.id[:8]}.gltf",
            f"result-{job.id[:8]}.statistics.csv",
        ]
        assert NAME.encode() not in packed.read(f"result-{job.id[:8]}.gltf")


def test_a_link_without_names_cannot_be_asked_whether_a_name_is_right(served: Served, job: Job) -> None:
    headers = {"Cookie": opened(served, job, False)}
    for search in (NAME, "Roe", "zzz"):
        assert served.ask("GET", f"/api/v1/jobs?search={search}", headers=headers).json["jobs"] == []
    assert served.ask("GET", f"/api/v1/results/{NAME}", headers=headers).status == 404
    name = f"/api/v1/results/{job.id}/files/{NAME}.gltf"
    assert served.ask("GET", name, headers=headers).status == 404


def test_a_link_whose_sharer_wants_it_shows_names(served: Served, job: Job) -> None:
    headers = {"Cookie": opened(served, job, True)}
    document = served.ask("GET", f"/api/v1/jobs/{job.id}", headers=headers).json
    assert (document["label"], document["submitted_by"]) == (f"{NAME}.nii.gz", "olga")
    assert served.ask("GET", f"/api/v1/results/{job.id}/files/{NAME}.gltf", headers=headers).status == 200


def test_whoever_sees_the_case_anyway_sees_its_names_beside_a_link(served: Served, job: Job) -> None:
    shared = opened(served, job, False)
    for name in ("olga", "ada"):
        cookie = f"{served.log_in(name).cookie}; {shared}"
        assert served.ask("GET", f"/api/v1/jobs/{job.id}", headers={"Cookie": cookie}).json["name"] == NAME


def test_the_scene_of_a_glb_loses_its_name_and_keeps_its_length() -> None:
    job = Job(name=NAME, label=f"{NAME}.nii.gz")
    text = json.dumps({"scenes": [{"name": job.label}]}).encode()
    text += b" " * (-len(text) % 4)
    binary = f'"{job.label}"'.encode()
    data = (
        b"glTF" + struct.pack("<IIII", 2, 20 + len(text) + len(binary), len(text), 0x4E4F534A) + text + binary
    )
    out = unnamed_scene(data, job)
    assert len(out) == len(data) and out.endswith(binary), "the binary part is left alone"
    assert json.loads(out[20 : 20 + len(text)])["scenes"][0]["name"].strip() == "result"
    assert Path(job.label).name.encode() not in out[: 20 + len(text)]
