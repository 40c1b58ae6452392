"""Whole files over HTTP: forms, curl, raw PUT; limits, options, what a broken sender leaves."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import subprocess
import urllib.parse
import zipfile
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from support.engines import BOTH, tell
from support.headless import write_scan as phantom
from support.intake import field_slices
from support.pipeline import write_scan
from support.programs import program
from support.uploads import Site, form, ids


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site") / "home", upload_max_mb=4, upload_max_files=30).start()
    yield made.warm()
    made.stop()


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose engines are known by name, task and structure."""
    home = tmp_path_factory.mktemp("described") / "home"
    tell(home, BOTH)
    made = Site(home).start()
    yield made.warm()
    made.stop()


def is_clean(site: Site) -> bool:
    """Whether no request has left bytes behind."""
    left = [folder for folder in site.uploads.iterdir() if not (folder / "upload.json").exists()]
    return not left and not list(site.home.incoming.glob("*.part"))


# --- the original's clients ---------------------------------------------------------------------


def test_curl_uploads_several_files_under_any_field_name(site: Site, scan: Path) -> None:
    other = write_scan(scan.parent / "übung 2.nii", seed=2)
    command = [program("curl"), "-sS", "--noproxy", "*", "-F", f"file=@{scan}", "-F", f"whatever=@{other}"]
    done = subprocess.run(
        [*command, f"{site.url}/upload"], capture_output=True, text=True, timeout=60, check=True
    )
    jobs = json.loads(done.stdout)["jobs"]
    assert [job["label"] for job in jobs] == ["scan.nii.gz", "übung 2.nii"]
    assert {job["state"] for job in jobs} <= set(states.ALL)
    ended = site.ended(*(job["id"] for job in jobs))
    assert [job.state for job in ended] == [states.DONE] * 2
    assert [(job.door, job.submitted_by) for job in ended] == [("web", "local")] * 2
    assert is_clean(site)


def test_a_plain_form_of_a_browser_comes_back_to_the_page(site: Site, scan: Path) -> None:
    body, kind = form(("f", "scan.nii.gz", scan.read_bytes()), ("g", "", b""), quality="", detail="0.5")
    answer = site.ask("POST", "/upload", body, Content_Type=kind, Accept="text/html,*/*;q=0.8")
    assert answer.status == 303 and answer.headers["location"] == "/upload"
    job = site.until(lambda: [job for job in site.jobs() if job.options.get("detail") == 0.5])[0]
    assert job.label == "scan.nii.gz"
    body, kind = form(("f", "scan.nii.gz", b"x"), quality="<b>fats</b>")
    answer = site.ask("POST", "/upload", body, Content_Type=kind, Accept="text/html")
    page = answer.body.decode()
    assert answer.status == 422 and '<h1 id="message-title">Not uploaded</h1>' in page
    assert "&lt;b&gt;fats" in page and "<b>fats" not in page


# --- options ---------------------------------------------------------------------------------------


def test_options_come_in_the_query_in_fields_and_as_json(site: Site, scan: Path) -> None:
    data = scan.read_bytes()
    body, kind = form(("f", "a.nii.gz", data), options='{"detail": 0.25}', formats="stl")
    answer = site.ask("POST", "/api/v1/uploads?quality=fast", body, Content_Type=kind)
    assert answer.status == 201
    (job,) = site.ended(*ids(answer))
    assert (job.options["detail"], job.options["quality"]) == (0.25, "fast")
    assert job.options["formats"] == ["gltf", "stl", "manifest"]


@pytest.mark.parametrize("where", ["query", "before", "after"])
def test_a_wrong_option_is_refused_and_nothing_of_it_stays(site: Site, scan: Path, where: str) -> None:
    before = len(site.jobs())
    parts = [("f", "a.nii.gz", scan.read_bytes())]
    fields = {} if where == "query" else {"qualty": "fast"}
    body, kind = form(*parts, **fields)
    if where == "after":
        first, _, rest = body.partition(b"--" + kind.partition("=")[2].encode() + b"\r\n")[2].partition(
            b"--" + kind.partition("=")[2].encode()
        )
        mark = b"--" + kind.partition("=")[2].encode()
        body = mark + rest.rpartition(mark)[0] + mark + b"\r\n" + first + mark + b"--\r\n"
    answer = site.ask(
        "POST", "/upload" + ("?qualty=fast" if where == "query" else ""), body, Content_Type=kind
    )
    assert answer.status == 422, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == "options.unknown_key" and "'quality'" in answer.json["detail"]
    assert len(site.jobs()) == before and is_clean(site)


def test_text_of_any_other_name_in_a_form_is_ignored(site: Site, scan: Path) -> None:
    fields = {"comment": "from the ward", "upload": "hello", "f1": "x", "submit": "Send"}
    body, kind = form(("f", "a.nii.gz", scan.read_bytes()), **fields)
    answer = site.ask("POST", "/upload", body, Content_Type=kind)
    assert answer.status == 200, answer
    assert len(answer.json["jobs"]) == 1


@pytest.mark.parametrize("part", ['filename="a{n}.nii"\r\n\r\nabc', 'filename=""\r\n\r\n', "\r\n\r\nv"])
def test_a_form_of_20000_parts_is_refused_before_each_becomes_a_job(site: Site, part: str) -> None:
    before = len(site.jobs())
    parts = (
        f'--x\r\nContent-Disposition: form-data; name="f{n}"; {part.format(n=n)}\r\n' for n in range(20_000)
    )
    body = "".join(parts).replace("; \r\n", "\r\n").encode() + b"--x--\r\n"
    answer = site.ask("POST", "/upload", body, Content_Type="multipart/form-data; boundary=x")
    assert (answer.status, answer.json["code"]) == (413, "request.too_large")
    assert len(site.jobs()) == before and is_clean(site)


@pytest.mark.parametrize(
    ("wrong", "code", "near"),
    [
        ({"engine": "tisue"}, "engine.unknown", "did you mean 'tissue'"),
        ({"engine": "tissue", "task": "tisue"}, "engine.task_unknown", "did you mean 'tissue'"),
        ({"structures": "liber"}, "engine.structure_unknown", "did you mean 'liver'"),
    ],
)
def test_what_no_engine_here_can_do_is_refused_at_the_door_with_the_nearest_name(
    described: Site, scan: Path, wrong: dict[str, str], code: str, near: str
) -> None:
    before, query = len(described.jobs()), urllib.parse.urlencode(wrong)
    body, kind = form(("f", "a.nii.gz", scan.read_bytes()), **wrong)
    for answer in (
        described.ask("PUT", f"/api/v1/uploads/a.nii.gz?{query}", scan.read_bytes()),
        described.ask("POST", "/upload", body, Content_Type=kind),
        described.create(9, filename="a.nii.gz", **wrong),
    ):
        assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json")
        assert answer.json["code"] == code and near in answer.json["detail"], answer.json
    assert len(described.jobs()) == before and is_clean(described)


def test_a_name_for_the_results_goes_with_one_input(site: Site, scan: Path) -> None:
    answer = site.ask("PUT", "/api/v1/uploads/x.nii.gz?name=../../Thorax", scan.read_bytes())
    (job,) = site.ended(*ids(answer))
    assert job.name.endswith("Thorax") and "/" not in job.name
    body, kind = form(*[("f", f"{n}.nii.gz", scan.read_bytes()) for n in range(2)], name="x")
    assert site.ask("POST", "/upload", body, Content_Type=kind).status == 422


# --- raw bytes ---------------------------------------------------------------------------------------


def test_a_put_with_the_right_checksum_becomes_a_job_and_says_what_arrived(site: Site, scan: Path) -> None:
    data = scan.read_bytes()
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    answer = site.ask("PUT", "/api/v1/uploads/p.nii.gz", data, Repr_Digest=f"sha-256=:{digest}:")
    assert answer.status == 201
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert answer.json["files"] == [
        {"name": "p.nii.gz", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    ]
    assert site.ended(*ids(answer))[0].state == states.DONE


def test_a_put_with_a_wrong_checksum_is_refused_and_gone(site: Site, scan: Path) -> None:
    before = len(site.jobs())
    digest = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    answer = site.ask("PUT", "/api/v1/uploads/p.nii.gz", scan.read_bytes(), Content_MD5=digest)
    assert (answer.status, answer.json["code"]) == (422, "web.upload_checksum")
    assert len(site.jobs()) == before and is_clean(site)


def test_a_chunked_put_needs_no_length(site: Site, scan: Path) -> None:
    pieces = iter([scan.read_bytes()[:100], scan.read_bytes()[100:]])
    answer = site.ask("PUT", "/api/v1/uploads/chunked.nii.gz", pieces, Transfer_Encoding="chunked")
    assert site.ended(*ids(answer))[0].state == states.DONE


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc%2fpasswd", "%2e%2e%2fx.nii", "a%5c..%5cb.nii", "C:%5cx.nii", "nul", "%00.nii"]
)
def test_a_name_with_a_way_out_stays_a_label(site: Site, name: str) -> None:
    answer = site.ask("PUT", f"/api/v1/uploads/{name}", b"no scan")
    assert answer.status in (201, 404), answer
    if answer.status == 201:
        (job,) = site.ended(*ids(answer))
        assert job.state == states.REFUSED and ".." not in job.label and "\\" not in job.label
    home = {site.home.root, *site.home.root.parents}
    assert not any((folder / one).exists() for folder in home for one in ("x.nii", "b.nii", "passwd"))


def test_empty_and_senseless_bodies_are_refused_with_a_problem(site: Site) -> None:
    for body, kind in [
        (b"", "multipart/form-data"),
        (b"x", "text/plain"),
        (b"", "multipart/form-data; boundary=b"),
    ]:
        answer = site.ask("POST", "/upload", body, Content_Type=kind)
        assert (answer.status, answer.json["code"]) == (400, "web.upload_malformed")
    body, kind = form(quality="fast")
    answer = site.ask("POST", "/upload", body, Content_Type=kind)
    assert answer.status == 422 and "no file" in answer.json["detail"]
    body, kind = form(("f", "empty.nii", b""))
    (job,) = site.ended(*ids(site.ask("POST", "/upload", body, Content_Type=kind)))
    assert job.error is not None and job.error["code"] == "input.empty"


# --- what belongs together -------------------------------------------------------------------------


def test_a_folder_of_slices_in_one_form_is_one_job_split_by_series(site: Site, tmp_path: Path) -> None:
    places = [(0.0, 0.0, 3.0 * number) for number in range(10)]
    made = field_slices(tmp_path / "study" / "a", places, [1, 0, 0, 0, 1, 0], size=16)
    made += field_slices(tmp_path / "study" / "b", places, [1, 0, 0, 0, 1, 0], size=16, SeriesNumber=2)
    files = [("f", path.relative_to(tmp_path).as_posix(), path.read_bytes()) for path in made]
    body, kind = form(*files)
    answer = site.ask("POST", "/upload", body, Content_Type=kind)
    (first,) = answer.json["jobs"]
    assert first["label"] == "study"
    site.ended(first["id"])
    with site.store() as store:
        jobs = [store.jobs.get(first["id"]), *store.jobs.children(first["id"])]
    site.ended(*(job.id for job in jobs))
    assert len(jobs) == 2 and {job.modality for job in jobs} == {"CT"}
    assert {job.submitted_by for job in jobs} == {"local"}


def test_a_header_and_its_data_file_are_one_job(site: Site, scan: Path) -> None:
    voxels = bytes(range(256)) * 16
    head = (
        b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        b"CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\n"
        b"AnatomicalOrientation = RAI\nElementSpacing = 1 1 1\nDimSize = 16 16 16\n"
        b"ElementType = MET_UCHAR\nElementDataFile = image.raw\n"
    )
    body, kind = form(("f", "image.raw", voxels), ("f", "image.mhd", head))
    answer = site.ask("POST", "/upload", body, Content_Type=kind)
    (job,) = site.ended(*ids(answer))
    assert (job.state, job.label, job.error) == (states.DONE, "image.mhd", None)


def test_a_zip_is_unpacked_by_the_intake(site: Site, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        for number in range(2):
            archive.write(write_scan(tmp_path / f"{number}.nii", seed=number + 10), f"in/{number}.nii")
    answer = site.ask("PUT", "/api/v1/uploads/both.zip", (tmp_path / "both.zip").read_bytes())
    (first,) = site.ended(*ids(answer))
    with site.store() as store:
        assert len(store.jobs.children(first.id)) == 1


def test_a_folder_without_a_scan_is_one_refused_job_and_none_of_its_files_is_lost(site: Site) -> None:
    files = [("f", f"drop/{name}", name.encode()) for name in ("a.xyz", "A.XYZ", "b/c.xyz", "b")]
    body, kind = form(*files)
    answer = site.ask("POST", "/upload", body, Content_Type=kind)
    (first,) = ids(answer)
    site.ended(first)
    with site.store() as store:
        job = store.jobs.get(first)
        assert store.jobs.children(first) == [] and (job.label, job.state) == ("drop", "refused")
        assert job.error is not None and job.error["message"].startswith(
            "None of 4 files in drop is a scan: "
        )

    def put_away() -> set[str]:
        found = (path for path in site.home.refused.rglob("*") if path.name != "reason.json")
        return {path.read_text() for path in found if path.is_file()}

    site.until(lambda: {"a.xyz", "A.XYZ", "b/c.xyz", "b"} <= put_away())


# --- limits --------------------------------------------------------------------------------------------


def test_a_body_above_the_limit_is_refused_before_it_comes_and_while_it_comes(site: Site) -> None:
    big = b"x" * ((4 << 20) + 1)
    early = site.ask("PUT", "/api/v1/uploads/big.nii", big)
    assert (early.status, early.json["code"]) == (413, "request.too_large")
    pieces = (big[start : start + 65536] for start in range(0, len(big), 65536))
    late = site.ask("PUT", "/api/v1/uploads/big.nii", pieces, Transfer_Encoding="chunked")
    assert (late.status, late.json["code"]) == (413, "request.too_large")
    body, kind = form(("f", "big.nii", big))
    assert site.ask("POST", "/upload", body, Content_Type=kind).status == 413
    assert is_clean(site)


def test_more_files_than_allowed_are_refused_whole(site: Site) -> None:
    before = len(site.jobs())
    body, kind = form(*[("f", f"{number}.nii", b"x") for number in range(31)])
    answer = site.ask("POST", "/upload", body, Content_Type=kind)
    assert (answer.status, answer.json["code"]) == (413, "request.too_large")
    assert len(site.jobs()) == before and is_clean(site)


@pytest.mark.parametrize("cut", [40, 300, 2000])
def test_a_sender_that_goes_away_leaves_nothing(site: Site, scan: Path, cut: int) -> None:
    before = len(site.jobs())
    body, kind = form(("f", "a.nii.gz", scan.read_bytes()))
    head = f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nContent-Type: {kind}\r\n"
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:cut])
    site.until(lambda: is_clean(site))
    assert len(site.jobs()) == before
    assert site.ask("GET", "/healthz").status == 200


# --- the cache ------------------------------------------------------------------------


def test_the_same_scan_with_equal_options_is_answered_from_the_cache_as_a_linked_job(tmp_path: Path) -> None:
    scan = phantom(tmp_path / "torso.nii.gz", spacing=12.0).read_bytes()
    site = Site(tmp_path / "home", real_worker=True, formats=["labels"]).start()
    try:
        (first,) = site.ended(*ids(site.ask("PUT", "/api/v1/uploads/torso.nii.gz?engine=tissue", scan)))
        body, kind = form(("f", "another name.nii.gz", scan), engine="tissue")
        (second,) = site.ended(*ids(site.ask("POST", "/upload", body, Content_Type=kind)))
        upload = site.create(len(scan), scan, filename="t.nii.gz", engine="tissue", quality="fastest")
        (third,) = site.ended(upload.headers["autoseg-jobs"])
        assert [job.state for job in (first, second, third)] == [states.DONE] * 3, second.error
        assert (first.cached_from, second.cached_from, third.cached_from) == (None, first.id, None)
        assert second.id != first.id and second.name == "another name"
        shown = site.ask("GET", f"/api/v1/jobs/{second.id}").json
        assert shown["cached_from"] == first.id and shown["links"]["files"]
    finally:
        site.stop()


def test_curl_is_told_that_its_file_is_too_large_and_not_just_cut_off(site: Site, tmp_path: Path) -> None:
    (tmp_path / "big.nii").write_bytes(b"x" * (6 << 20))
    for more in (["-T", str(tmp_path / "big.nii")], ["-H", "Expect:", "-T", str(tmp_path / "big.nii")]):
        command = [program("curl"), "-sS", "--noproxy", "*", *more, f"{site.url}/api/v1/uploads/big.nii"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert json.loads(done.stdout)["code"] == "request.too_large", done.stderr
