"""What a program writes becomes a segmentation on the scan's grid, or a clear error."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.progress import SilentReport
from AutoSegPipelineLib.processing.engines.command import devices
from AutoSegPipelineLib.processing.known_structures import known_structure
from AutoSegPipelineLib.processing.volume import Volume
from support.processing import DIRECTIONS, grid
from support.programs import package

REPORT = SilentReport()


def truth(scan: Volume) -> np.ndarray:
    return np.where(scan.array > 500, 2, np.where(scan.array > 100, 1, 0))


def failure(engine, scan: Volume, **options: object) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        engine.segment(scan, options, REPORT)
    return caught.value


def test_a_label_map_with_a_table_of_names(programs, scan):
    engine = programs.declare("good", names={"1": "Left kidney", "2": {"name": "stone", "color": "#102030"}})
    assert engine.tasks()[0].classes == ("left_kidney", "stone")
    found = engine.segment(scan, {}, REPORT)
    assert np.array_equal(found.layers[0], truth(scan))
    kidney, stone = found.segments
    assert (kidney.name, kidney.code) == ("left_kidney", known_structure("kidney_left").code)
    assert stone.code is None and stone.colour == pytest.approx((16 / 255, 32 / 255, 48 / 255))
    assert found.facts["used"] == {"engine": "bright", "task": "bright:normal", "device": "cpu"}
    assert list((programs.folder / "work").iterdir()) == []  # its folder is gone


def test_a_table_beside_the_file_of_declarations(programs, scan):
    (programs.folder / "names.csv").write_text("1,liver\n2,spleen\n", encoding="utf-8")
    found = programs.declare("good", names="names.csv").segment(scan, {}, REPORT)
    assert [segment.name for segment in found.segments] == ["liver", "spleen"]


def test_labels_without_any_table_say_so(programs, scan):
    found = programs.declare("good").segment(scan, {}, REPORT)
    assert [segment.name for segment in found.segments] == ["label_1", "label_2"]
    assert found.warnings[0]["code"] == "export.unnamed_labels"


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_the_scan_is_written_as_the_program_wants_it(programs, scan, ending):
    note = str(programs.note)
    engine = programs.declare("said", note, input=f"in/patient/CT_scan{ending}")
    found = engine.segment(scan, {}, REPORT)
    assert np.array_equal(found.layers[0], truth(scan))
    said = json.loads(programs.note.read_text(encoding="utf-8"))
    assert said["scan"] == os.path.join(said["folder"], "in", "patient", f"CT_scan{ending}")


def test_other_axes_are_turned_back_without_a_loss(programs, scan):
    found = programs.declare("reoriented").segment(scan, {}, REPORT)
    assert found.grid is scan.grid and np.array_equal(found.layers[0], truth(scan))


def test_a_cropped_segmentation_of_slicer_is_put_where_it_belongs(programs, scan):
    found = programs.declare("cropped", writes="seg.nrrd").segment(scan, {}, REPORT)
    assert np.array_equal(found.layers[0], scan.array > 500)
    assert found.segments[0].title == "Left kidney"


def test_a_dicom_segmentation_without_its_empty_slices(programs, tmp_path):
    package("highdicom")
    from support.dicom_seg import KIDNEY, LEFT, dicom_seg, segment

    on = grid((11, 9, 12), DIRECTIONS["oblique"], (1.5, 2.0, 2.5))
    masks = {number: np.zeros(on.array_shape, np.uint8) for number in (1, 2)}
    masks[1][3:8, 1:5, 2:9] = 1
    masks[2][5:9, 3:8, 1:5] = 1
    segments = [segment(1, "Liver"), segment(2, "Left kidney", KIDNEY, modifier=LEFT)]
    ready = dicom_seg(tmp_path / "ready.dcm", on, masks, segments)
    scan = Volume(np.arange(np.prod(on.shape), dtype=np.int16).reshape(on.array_shape), on, "CT")
    found = programs.declare("copies", str(ready), writes="dicom-seg").segment(scan, {}, REPORT)
    for number, name in ((1, "liver"), (2, "left_kidney")):
        (one,) = [segment for segment in found.segments if segment.name == name]
        assert np.array_equal(found.layers[one.layer] == one.value, masks[number] == 1)
        assert one.code == known_structure(name if number == 1 else "kidney_left").code


def test_a_folder_of_masks_that_overlap(programs, scan):
    engine = programs.declare("masks", writes="masks", names={"Thing_B": "stone"})
    found = engine.segment(scan, {}, REPORT)
    by_name = {segment.name: segment for segment in found.segments}
    assert set(by_name) == {"kidney_left", "stone"}
    for name, least in (("kidney_left", 1), ("stone", 2)):
        segment = by_name[name]
        assert np.array_equal(found.layers[segment.layer] == segment.value, truth(scan) >= least)
    assert by_name["stone"].priority > by_name["kidney_left"].priority
    assert by_name["kidney_left"].code == known_structure("kidney_left").code
    assert "empty" in found.warnings[0]["message"]


def test_masks_on_different_grids_are_refused(programs, scan):
    error = failure(programs.declare("shifted_masks", writes="masks"), scan)
    assert error.code == "engine.bad_output" and "late.nii.gz" in error.message


@pytest.mark.parametrize(
    ("mode", "code", "said"),
    [
        ("nothing", "engine.bad_output", "bright wrote no out/labels.nii.gz"),
        ("beside", "engine.bad_output", "it wrote out/other.nii.gz"),
        (
            "finer",
            "engine.bad_output",
            "than the scan's: 28×24×20 voxels of 0.75×1×1.25 mm, not",
        ),
        ("fewer_slices", "engine.bad_output", "another grid than the scan's: 14×12×8 voxels"),
        ("fractions", "engine.bad_output", "holds fractions"),
        ("nonsense", "engine.bad_output", "what bright wrote is no segmentation"),
        ("blank", "export.empty", "bright found no structure"),
        ("fails", "engine.failed", "bright ended with exit code 3: the weights are not here"),
        ("no_memory", "engine.no_memory", "CUDA out of memory"),
    ],
)
def test_a_result_that_is_none_is_a_clear_error(programs, scan, mode, code, said):
    error = failure(programs.declare(mode), scan)
    assert error.code == code and said in error.message
    assert error.data["used"]["engine"] == "bright"
    assert list((programs.folder / "work").iterdir()) == []


def test_several_files_where_one_was_expected(programs, scan):
    error = failure(programs.declare("masks", output="out/*.nii.gz"), scan)
    assert error.code == "engine.bad_output" and "3 files" in error.message


def test_a_link_out_of_its_folder_is_no_result(programs, scan, tmp_path: Path):
    secret = tmp_path / "secret.nii.gz"
    programs.declare("good").segment(scan, {}, REPORT)
    from AutoSegPipelineLib.processing.engines.command.output import read_output

    folder = tmp_path / "case"
    (folder / "out").mkdir(parents=True)
    secret.write_bytes(b"x")
    try:
        (folder / "out" / "labels.nii.gz").symlink_to(secret)
    except OSError:
        if os.name != "nt":
            raise
        pytest.skip("making links needs a privilege on Windows")
    with pytest.raises(PipelineError) as caught:
        read_output(programs.declare("good").declared, folder, scan.grid)
    assert "wrote no out/labels.nii.gz" in caught.value.message


def test_only_the_structures_that_were_asked_for(programs, scan):
    engine = programs.declare("good", names={"1": "liver", "2": "spleen", "3": "aorta"})
    found = engine.segment(scan, {"structures": ["spleen", "aorta"]}, REPORT)
    assert [segment.name for segment in found.segments] == ["spleen"]
    assert found.warnings[-1] == {
        "code": "engine.structures_absent", "message": "Not found in this scan: aorta."
    }  # fmt: skip
    error = failure(engine, scan, structures=["heart"])
    assert error.code == "engine.structure_unknown" and "it has: aorta, liver, spleen" in error.message


def test_modality_task_and_quality_are_checked(programs, scan):
    engine = programs.declare("good", modality="MR")
    assert failure(engine, scan).code == "engine.wrong_modality"
    engine = programs.declare("good", modality="CT")
    assert engine.tasks()[0].qualities == ("normal",)
    assert failure(engine, scan, quality="fast").code == "engine.quality_unknown"
    assert failure(engine, scan, task="total").code == "engine.task_unknown"
    assert engine.segment(scan, {"task": "Bright:normal"}, REPORT).segments


def test_device_and_quality_become_the_words_of_the_declaration(programs, scan):
    words = ("{device}", "q={quality}", "{modality}")
    engine = programs.declare(
        "said", str(programs.note), *words,
        device={"cpu": ["--device", "cpu"], "gpu": []}, quality={"normal": "5", "fast": "1"},
    )  # fmt: skip
    assert engine.tasks()[0].qualities == ("normal", "fast")

    def said(**options: object) -> dict:
        engine.segment(scan, options, REPORT)
        return json.loads(programs.note.read_text(encoding="utf-8"))

    first = said(device="cpu", quality="fast")
    assert first["words"][1:] == ["--device", "cpu", "q=1", "CT"]
    assert first["environment"]["CUDA_VISIBLE_DEVICES"] == ""
    second = said(device="gpu:2")
    assert second["words"][1:] == ["q=5", "CT"] and second["environment"]["CUDA_VISIBLE_DEVICES"] == "2"
    assert failure(engine, scan, device="mps").code == "engine.no_gpu"


def test_auto_takes_the_gpu_that_is_here_and_only_what_is_declared(programs, monkeypatch):
    both = {"cpu": ["--cpu"], "gpu": []}
    for here, table, device in (
        (False, both, "cpu"), (True, both, "gpu"), (True, {"cpu": []}, "cpu"), (False, {"gpu": []}, "gpu"),
    ):  # fmt: skip
        monkeypatch.setattr(devices, "has_gpu", lambda here=here: here)
        engine = programs.declare("good", "{device}", device=table)
        assert engine.facts()["device"] == {"auto": device}


def test_the_program_gets_nothing_of_ours_and_a_folder_of_its_own(programs, scan, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("AUTOSEG_WEBHOOK_SECRET", "secret")
    engine = programs.declare("said", str(programs.note), environment={"MODEL_HOME": "/models"})
    engine.segment(scan, {}, REPORT)
    said = json.loads(programs.note.read_text(encoding="utf-8"))
    environment = said["environment"]
    assert "PYTHONPATH" not in environment and environment["MODEL_HOME"] == "/models"
    assert [name for name in environment if name.startswith("AUTOSEG_")] == ["AUTOSEG_ENGINE_RUN"]
    work = programs.folder / "work"
    assert Path(said["folder"]).parent == work and environment["TMPDIR"] == said["folder"]
    assert not Path(said["folder"]).exists()
