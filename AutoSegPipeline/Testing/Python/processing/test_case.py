"""One case through the whole room: every file written, checked, and told about."""

from __future__ import annotations

import csv
import hashlib
import html
import json
from dataclasses import replace

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import Cancelled, PipelineError
from AutoSegPipelineLib.core.result_formats import BY_KIND, FORMATS, KINDS
from AutoSegPipelineLib.processing import export, verify
from AutoSegPipelineLib.processing.case import Case
from AutoSegPipelineLib.processing.phantom import torso, write_nifti
from AutoSegPipelineLib.processing.picture import close_painter
from AutoSegPipelineLib.processing.process import process_case
from AutoSegPipelineLib.processing.read_seg_nrrd import read_facts, read_seg_nrrd
from AutoSegPipelineLib.processing.volume import read_volume
from AutoSegPipelineLib.processing.writers.labels import write_labels
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support.processing import Recorder, case_message, grid, two_layers

pytestmark = pytest.mark.slow

QUICK = {"formats": ["seg", "labels", "statistics"]}


@pytest.fixture(autouse=True)
def nobody_keeps_drawing():
    """The drawing process stays warm for the next case; a test is not to leave one."""
    yield
    close_painter()


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A small torso with noise, as a file."""
    path = tmp_path_factory.mktemp("scan") / "torso.nii.gz"
    write_nifti(torso(shape=(61, 50, 30), spacing=(6.0, 6.0, 6.0)).volume, path)
    return path


@pytest.fixture
def segmentation(tmp_path):
    """A small existing segmentation, as a file."""
    path = tmp_path / "two.seg.nrrd"
    write_seg_nrrd(path, two_layers(grid((20, 16, 12))))
    return path


def run(message, report=None):
    return process_case(Case.from_dict(message), report or Recorder())


SOURCE = {"format": "nifti", "sha256": "a1" * 32, "warnings": [{"code": "x", "message": "side not verified"}]}


@pytest.fixture(scope="module")
def whole(scan, tmp_path_factory):
    """A scan with every format: the folder, the result, the report, the manifest."""
    folder = tmp_path_factory.mktemp("whole")
    report = Recorder()
    result = run(case_message(scan, folder, options={"formats": list(KINDS)}, source=SOURCE), report)
    close_painter()
    manifest = json.loads((folder / "out" / "case.manifest.json").read_text(encoding="utf-8"))
    return folder / "out", result, report, manifest


def test_a_scan_becomes_every_file_with_the_hashes_that_were_told(whole):
    out, result, report, _ = whole
    drawn = not any(w["code"] == "picture.not_drawn" for w in result.warnings)
    rows = [row for row in FORMATS if drawn or row.kind != "picture"]
    expected = {f"case{ending}" for row in rows for ending in row.endings}
    assert {path.name for path in out.iterdir()} == expected
    assert {output.name for output in result.outputs} == expected
    for output in result.outputs:
        data = (out / output.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (output.size, output.sha256)
    assert report.stages == ["preparing", "segmenting", "exporting"]
    assert report.fractions[-1] == 1.0


def test_the_manifest_tells_how_the_files_came_about(whole):
    _, result, _, manifest = whole
    files = {o.name for o in result.outputs}
    assert {o["name"] for o in manifest["outputs"]} == files - {"case.manifest.json"}
    assert manifest["engine"]["name"] == result.engine == "tissue"
    assert manifest["input"]["sha256"] == "a1" * 32 and manifest["options"]["detail"] == 0.1
    assert {"code": "x", "message": "side not verified"} in manifest["warnings"]
    assert {s["name"] for s in manifest["segments"]} >= {"body", "bones", "lung_left", "lung_right"}
    assert any(o["winner"] == "bones" and o["loser"] == "body" for o in manifest["overlaps"])
    assert manifest["cached_from"] is None and "not a medical device" in manifest["disclaimer"]
    assert {"autosegpipeline", "python", "numpy"} <= set(manifest["versions"])
    assert manifest["timings_s"]["surfaces"] > 0 and "LPS" in manifest["coordinate_system"]["frame"]
    assert manifest["surfaces"]["follows_scan"] == ["airways", "body", "bones", "lung_left", "lung_right"]
    assert manifest["engines"][0]["facts"]["intensity_ranges"]["bones"] == [130.0, None]


def test_manifest_report_and_gltf_say_what_the_limits_of_the_surfaces_did(scan, tmp_path):
    options = {"formats": ["glb", "report"], "max_triangles": 30_000, "min_piece_ml": 0.5}
    run(case_message(scan, tmp_path, options=options))
    manifest = json.loads((tmp_path / "out" / "case.manifest.json").read_text(encoding="utf-8"))
    told = manifest["surfaces"]
    assert told["max_triangles"] == 30_000 and told["min_piece_ml"] == 0.5
    assert told["triangles"] == sum(s["triangles"] for s in manifest["segments"]) <= 30_000
    assert told["triangles_full"] == sum(s["triangles_full"] for s in manifest["segments"])
    assert told["limited"] == sorted(s["name"] for s in manifest["segments"] if "triangles_limit" in s)
    for row in manifest["segments"]:
        assert row["triangles"] <= row.get("triangles_limit", 30_000)
        assert 0 <= row["surface_error_mm"]["mean"] <= row["surface_error_mm"]["most"]
    report = (tmp_path / "out" / "case.report.html").read_text(encoding="utf-8")
    assert html.escape(told["summary"]) in report
    soft = {"body", "muscle", "soft_tissue", "subcutaneous_fat", "visceral_fat"}
    hidden = {s["name"] for s in manifest["segments"] if s["hidden_at_first"]}
    assert hidden and hidden <= soft and "bones" not in hidden
    nodes = json.loads((tmp_path / "out" / "case.gltf").read_text(encoding="utf-8"))["nodes"]
    assert {n["name"] for n in nodes if n.get("extras", {}).get("hidden_at_first")} == hidden


def test_the_files_agree_about_every_volume(whole):
    out, _, _, manifest = whole
    with open(out / "case.statistics.csv", encoding="utf-8", newline="") as stream:
        table = {row["name"]: row for row in csv.DictReader(stream)}
    gltf = json.loads((out / "case.gltf").read_text(encoding="utf-8"))
    nodes = {node["name"]: node for node in gltf["nodes"] if "mesh" in node}
    told = {s["name"]: s for s in manifest["segments"]}
    read = read_seg_nrrd(out / "case.seg.nrrd")
    for segment in read.segments:
        ml = np.count_nonzero(read.layers[segment.layer] == segment.value) * read.grid.voxel_ml
        assert float(table[segment.name]["volume_ml"]) == pytest.approx(ml, rel=1e-6)
        assert nodes[segment.name]["extras"]["volume_ml"] == pytest.approx(ml, rel=1e-3)
        assert told[segment.name]["volume_ml"] == pytest.approx(ml, rel=1e-3)
    assert table["bones"]["intensity_unit"] == "HU" and float(table["lung_left"]["mean"]) < -500


def test_a_label_is_the_value_in_the_label_map_wherever_it_is_told(segmentation, tmp_path):
    run(case_message(segmentation, tmp_path, kind="segmentation", options=QUICK))
    out = tmp_path / "out"
    array = read_volume(out / "case.labels.nii.gz").array
    read = read_seg_nrrd(out / "case.seg.nrrd")
    masks = {s.name: read.layers[s.layer] == s.value for s in read.segments}
    inner = masks["lung_left"] | masks["bones"]
    shown = {**masks, "body": masks["body"] & ~inner}
    with open(out / "case.statistics.csv", encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    document = json.loads((out / "case.statistics.json").read_text(encoding="utf-8"))["structures"]
    told = json.loads((out / "case.manifest.json").read_text(encoding="utf-8"))["segments"]
    gltf = json.loads((out / "case.gltf").read_text(encoding="utf-8"))["nodes"]
    extras = [{"name": node["name"], **node["extras"]} for node in gltf if "mesh" in node]
    for rows in (table, document, told, extras):
        assert {row["name"] for row in rows} == set(masks)
        for row in rows:
            assert np.array_equal(array == int(row["label"]), shown[row["name"]]), row["name"]
            assert np.array_equal(read.layers[int(row["layer"])] == int(row["value"]), masks[row["name"]])


def test_labels_are_the_same_when_no_label_map_was_asked_for(segmentation, tmp_path):
    options = {"formats": ["statistics"]}
    run(case_message(segmentation, tmp_path, kind="segmentation", options=options))
    with open(tmp_path / "out" / "case.statistics.csv", encoding="utf-8", newline="") as stream:
        labels = {row["name"]: row["label"] for row in csv.DictReader(stream)}
    assert labels == {"body": "1", "lung_left": "2", "bones": "3"}


def test_what_was_kept_is_reused_and_gives_the_same_files(scan, tmp_path):
    keep = tmp_path / "cache" / "entry.seg.nrrd"
    first = run(case_message(scan, tmp_path / "a", options=QUICK, keep=str(keep)))
    assert keep.exists() and not list(keep.parent.glob("*.part"))
    assert read_facts(keep)["engine"] == "tissue"
    again = case_message(scan, tmp_path / "b", options=QUICK, reuse=str(keep), source={"cached_from": "f00"})
    report = Recorder()
    second = run(again, report)
    assert second.cached and not first.cached
    assert second.engine == "tissue" and report.stages == ["preparing", "exporting"]
    manifest = json.loads((tmp_path / "b" / "out" / "case.manifest.json").read_text(encoding="utf-8"))
    assert manifest["cached_from"] == "f00"
    same = {o.name: o.sha256 for o in first.outputs if o.kind in ("gltf", "labels", "statistics")}
    assert same.items() <= {o.name: o.sha256 for o in second.outputs}.items()


def test_a_damaged_cache_entry_is_computed_anew(scan, tmp_path):
    broken = tmp_path / "broken.seg.nrrd"
    broken.write_bytes(b"NRRD0004\ntype: uchar\n")
    report = Recorder()
    result = run(case_message(scan, tmp_path, options=QUICK, reuse=str(broken)), report)
    assert not result.cached and "segmenting" in report.stages
    assert any("computed again" in line for line in report.lines)


def test_an_existing_segmentation_needs_no_engine(segmentation, tmp_path):
    report = Recorder()
    message = case_message(segmentation, tmp_path, kind="segmentation", options=QUICK, modality="")
    result = run(message, report)
    assert report.stages == ["preparing", "exporting"] and result.engine == ""
    assert result.shape == (20, 16, 12)
    with open(tmp_path / "out" / "case.statistics.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == ["body", "lung_left", "bones"]
    assert {row["mean"] for row in rows} == {""}


def test_only_the_asked_structures_of_a_segmentation_are_exported(segmentation, tmp_path):
    options = {**QUICK, "structures": ["bones"]}
    run(case_message(segmentation, tmp_path, kind="segmentation", options=options))
    assert [s.name for s in read_seg_nrrd(tmp_path / "out" / "case.seg.nrrd").segments] == ["bones"]
    options = {**QUICK, "structures": ["bone"]}
    with pytest.raises(PipelineError) as caught:
        run(case_message(segmentation, tmp_path, kind="segmentation", options=options))
    assert caught.value.code == "engine.structure_unknown" and "'bones'" in caught.value.message


def test_gltf_and_manifest_are_always_written(segmentation, tmp_path):
    run(case_message(segmentation, tmp_path, kind="segmentation", options={"formats": ["labels"]}))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"case.gltf", "case.labels.nii.gz", "case.manifest.json"}


@pytest.mark.parametrize("stage", ["segmenting", "surfaces", "writing case.gltf", "checking"])
def test_a_case_can_be_cancelled_in_each_stage(scan, segmentation, tmp_path, stage):
    kind, path = ("scan", scan) if stage == "segmenting" else ("segmentation", segmentation)
    with pytest.raises(Cancelled):
        run(case_message(path, tmp_path, kind=kind, options=QUICK), Recorder(cancel_at=stage))
    assert not (tmp_path / "out" / "case.manifest.json").exists()


@pytest.mark.parametrize("kind", ["gltf", "seg", "labels", "statistics", "stl", "obj"])
def test_a_file_that_was_damaged_after_writing_does_not_pass(segmentation, tmp_path, monkeypatch, kind):
    """Cut the file and seal what is left: only opening it can tell."""
    whole = export.seal

    def cut(what, path):
        if what == kind:
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        return whole(what, path)

    monkeypatch.setattr(export, "seal", cut)
    options = {"formats": [*QUICK["formats"], "stl", "obj"]}
    with pytest.raises(PipelineError) as caught:
        run(case_message(segmentation, tmp_path, kind="segmentation", options=options))
    assert caught.value.code == "export.verification"
    assert any(f"case{ending}" in caught.value.message for ending in BY_KIND[kind].endings)
    assert not (tmp_path / "out" / "case.manifest.json").exists()


@pytest.mark.parametrize("kind", ["seg", "labels"])
def test_a_sound_file_of_other_voxels_does_not_pass(segmentation, tmp_path, monkeypatch, kind):
    """A writer that mixes voxels up writes a file that every reader takes."""
    from AutoSegPipelineLib.processing.writers import labels, seg_nrrd

    def mixed_seg(path, what, *rest):
        layers = [layer[::-1].copy() for layer in what.layers]
        write_seg_nrrd(path, replace(what, layers=layers), *rest)

    def mixed_labels(path, what, flat, *rest):
        write_labels(path, what, replace(flat, labels=flat.labels[::-1].copy()), *rest)

    monkeypatch.setattr(seg_nrrd, "write_seg_nrrd", mixed_seg if kind == "seg" else write_seg_nrrd)
    monkeypatch.setattr(labels, "write_labels", mixed_labels if kind == "labels" else write_labels)
    with pytest.raises(PipelineError) as caught:
        run(case_message(segmentation, tmp_path, kind="segmentation", options=QUICK))
    assert caught.value.code == "export.verification"
    assert (
        f"case{BY_KIND[kind].endings[0]}" in caught.value.message and "other voxels" in caught.value.message
    )


def test_bytes_that_changed_on_the_disk_do_not_pass(segmentation, tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "sha256", lambda path: "0" * 64)
    with pytest.raises(PipelineError) as caught:
        run(case_message(segmentation, tmp_path, kind="segmentation", options=QUICK))
    assert caught.value.code == "export.verification" and "other bytes" in caught.value.message


def test_of_a_large_scan_the_picture_is_drawn_before_the_files_and_its_process_ends(
    segmentation, tmp_path, monkeypatch
):
    order = []
    write, close = export._write_all, export.close_painter
    monkeypatch.setattr(export, "LARGE_SCAN", 0)
    monkeypatch.setattr(export, "close_painter", lambda: (order.append("painter closed"), close()))
    monkeypatch.setattr(export, "_write_all", lambda *args: (order.append("files"), write(*args)))
    message = case_message(
        segmentation, tmp_path, kind="segmentation", options={"formats": ["seg", "picture"]}
    )
    result = run(message)
    assert order[:2] == ["painter closed", "files"] and order.count("painter closed") == 1
    kinds = [output.kind for output in result.outputs]
    assert "seg" in kinds and ("picture" in kinds or result.warnings[-1]["code"] == "picture.not_drawn")


@pytest.mark.parametrize("stem", ["../evil", "a/b", "..", "a\\b", ""])
def test_a_stem_never_leaves_the_output_folder(segmentation, tmp_path, stem):
    with pytest.raises(PipelineError) as caught:
        run(case_message(segmentation, tmp_path, kind="segmentation", stem=stem))
    assert caught.value.code == "request.invalid"


def test_the_affine_of_the_message_overrides_the_file(segmentation, tmp_path):
    affine = [[-1, 0, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]]
    run(case_message(segmentation, tmp_path, kind="segmentation", options=QUICK, affine=affine))
    grid_there = read_seg_nrrd(tmp_path / "out" / "case.seg.nrrd").grid
    assert np.array_equal(grid_there.affine, affine)


def test_every_scan_is_checked_for_its_sides_and_the_verdict_is_told(whole, tmp_path):
    out, _, _, manifest = whole
    assert manifest["sides"] == "ok"
    assert "agree with the anatomy" in (out / "case.report.html").read_text(encoding="utf-8")
    volume = torso(shape=(61, 50, 30), spacing=(6.0, 6.0, 6.0)).volume
    # The same voxels under a header that has left and right exchanged.
    first = tuple(-value for value in volume.grid.affine[0])
    lying = replace(volume, grid=replace(volume.grid, affine=(first, *volume.grid.affine[1:])))
    write_nifti(lying, tmp_path / "mirrored.nii.gz")
    result = run(case_message(tmp_path / "mirrored.nii.gz", tmp_path, options={"formats": ["labels"]}))
    assert "sides.swapped" in [warning["code"] for warning in result.warnings]
