"""Which files that came one by one are one input: label maps with their data, tables and options."""

from __future__ import annotations

from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.intake.received.client_input import CaseRequest
from AutoSegPipelineLib.intake.received.grouping import Group, ReceivedFile, group


def received(root: Path, **more: str) -> list[ReceivedFile]:
    found = []
    for name, content in more.items():
        (root / name).write_text(content)
        found.append(ReceivedFile(name, name, len(content)))
    return found


def inputs(groups: list[Group]) -> list[list[str]]:
    return [[one.name for one, _ in grouped.files] for grouped in groups]


def test_labels_of_a_request_are_a_task_and_never_a_path(tmp_path):
    (tmp_path / "names.csv").write_text("1,liver")
    request = CaseRequest()
    request.add([("expect", "segmentation"), ("labels", "Total_MR")], "the form")
    (grouped,) = group(tmp_path, received(tmp_path, **{"a.nii": "x"}), "segmentation")
    assert grouped.intent("web", "me", request).labels == request.labels == "total_mr"
    assert CaseRequest(**request.to_dict()) == request
    request.add([("labels", "")], "the form")
    assert grouped.intent("web", "me", request).labels is None
    for wrong in (str(tmp_path / "names.csv"), "nothing"):
        with pytest.raises(PipelineError) as caught:
            request.add([("labels", wrong)], "the form")
        assert caught.value.code == "request.invalid" and caught.value.data["status"] == 422


def test_a_label_map_takes_its_data_and_its_tables_along(tmp_path):
    header = "NRRD0005\ndata file: m.raw\n\n"
    files = received(
        tmp_path, **{"m.tsv": "x", "m.nhdr": header, "m.raw": "x", "dataset.json": "{}", "b.csv": "x"}
    )
    groups = group(tmp_path, files, "segmentation")
    assert inputs(groups) == [["m.nhdr", "m.raw", "m.tsv", "dataset.json", "b.csv"]]
    assert [staged for _, staged in groups[0].files] == [
        "000001.nhdr", "m.raw", "000003.tsv", "000004.json", "beside/000005.csv",
    ]  # fmt: skip


def test_label_maps_that_share_a_table_are_one_input_with_their_options(tmp_path):
    given = {"a.nii": "x", "b.nii": "y", "c.seg.nrrd": "z", "dataset.json": "{}", "b.options.json": "{}"}
    (together,) = group(tmp_path, received(tmp_path, **given), "segmentation")
    assert together.label == "a.nii and 2 more" and together.container
    staged = {one.name: name for one, name in together.files}
    assert set(staged) == set(given)
    assert staged["b.options.json"].partition(".")[0] == staged["b.nii"].partition(".")[0]


def test_label_maps_with_tables_of_their_own_are_inputs_of_their_own(tmp_path):
    files = received(tmp_path, **{"a.nii": "x", "b.nii": "y", "b.csv": "1,x", "a.csv": "1,y"})
    assert inputs(group(tmp_path, files, "segmentation")) == [["a.nii", "a.csv"], ["b.nii", "b.csv"]]


@pytest.mark.parametrize("table", ["a.csv", "dataset.json"])
def test_a_table_beside_a_scan_is_passed_by(tmp_path, table):
    files = received(tmp_path, **{"a.nii": "x", table: "{}"})
    assert inputs(group(tmp_path, files, "scan")) == [["a.nii", table]]


def test_what_is_no_scan_goes_with_the_first_input_and_alone_is_one(tmp_path):
    junk = {"viewer.exe": "MZ", "logo.png": "PNG", "Report.docx": "PK\3\4", "EMPTY.LOG": ""}
    given = {"logo.png": "PNG", "b.nii": "x", "a.dcm": "y", "c.dcm": "z", **junk}
    first, slices = group(tmp_path, received(tmp_path, **given), "scan")
    assert first.label == "b.nii" and slices.label == "a.dcm and 1 more"
    assert {one.name for one, _ in first.files} == {"b.nii", *junk}
    (together,) = group(tmp_path, received(tmp_path, **junk), "scan")
    assert together.label == "viewer.exe and 3 more" and len(together.files) == 4
    (alone,) = group(tmp_path, received(tmp_path, **{"logo.png": "PNG"}), "scan")
    assert alone.label == "logo.png"


def test_what_is_called_like_a_scan_has_an_answer_of_its_own(tmp_path):
    given = {"a.nii": "x", "broken.nii.gz": "y", "lost.raw": "z", "other.zip": "PK\3\4"}
    assert len(group(tmp_path, received(tmp_path, **given), "scan")) == 4


def test_a_disc_index_never_counts_as_a_slice(tmp_path):
    index = "\0" * 128 + "DICM"
    (one,) = group(tmp_path, received(tmp_path, **{"DICOMDIR": index, "IM1": index, "IM2": index}), "scan")
    assert one.label == "IM1 and 1 more" and len(one.files) == 3
