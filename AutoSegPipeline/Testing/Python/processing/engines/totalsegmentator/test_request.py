"""What is decided before the package starts; it need not be installed for that."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import Cancelled, EngineFailed, PipelineError
from AutoSegPipelineLib.core.progress import SilentReport
from AutoSegPipelineLib.processing.engines import choose, engines
from AutoSegPipelineLib.processing.engines.networks import devices
from AutoSegPipelineLib.processing.engines.networks.pool import Models, Weights
from AutoSegPipelineLib.processing.engines.networks.progress import Course, bar
from AutoSegPipelineLib.processing.engines.networks.replacing import replaced
from AutoSegPipelineLib.processing.engines.totalsegmentator import terminology, weights
from AutoSegPipelineLib.processing.engines.totalsegmentator.engine import title_of_task
from AutoSegPipelineLib.processing.engines.totalsegmentator.modality import guess
from AutoSegPipelineLib.processing.engines.totalsegmentator.request import understand
from AutoSegPipelineLib.processing.engines.totalsegmentator.seams import _images
from AutoSegPipelineLib.processing.engines.totalsegmentator.trouble import translate
from support.tiny_totalsegmentator import small_catalogue

KNOWN = small_catalogue()


def refused(modality: str = "CT", **options) -> EngineFailed:
    with pytest.raises((EngineFailed, PipelineError)) as caught:
        understand(KNOWN, options, modality)
    return caught.value


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path))
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)
    return tmp_path


def put_weights(home, number: int, whole: bool = True) -> None:
    model = home / "nnunet" / "results" / KNOWN.folders[number] / "trainer__plans__3d_fullres"
    (model / "fold_0").mkdir(parents=True)
    (model / "plans.json").write_text("{}", encoding="ascii")
    (model / "fold_0" / "checkpoint_final.pth").write_bytes(b"x" if whole else b"")


def test_without_a_task_the_whole_body_of_the_modality_is_done(home):
    assert [run.task.name for run in understand(KNOWN, {}, "CT").runs] == ["total"]
    assert [run.task.name for run in understand(KNOWN, {}, "MR").runs] == ["total_mr"]


def test_several_tasks_run_in_their_order_each_in_its_own_quality(home):
    runs = understand(KNOWN, {"task": "body, TOTAL:fastest,body", "quality": "fast"}, "CT").runs
    assert [(run.task.name, run.quality) for run in runs] == [("body", "fast"), ("total", "fastest")]


def test_a_task_or_quality_that_is_not_there_is_named_with_the_nearest(home):
    error = refused(task="lung_vesels")
    assert error.code == "engine.task_unknown" and "'lung_vessels'" in error.message
    error = refused(task="lung_vessels", quality="fast")
    assert error.code == "engine.quality_unknown" and "it has: normal" in error.message
    error = refused(task="total:fastestt")
    assert error.code == "engine.quality_unknown" and "'fastest'" in error.message
    assert refused(task=" , ").code == "options.invalid"


def test_a_misspelt_structure_is_named_with_the_nearest(home):
    error = refused(structures=["kidney_lft"])
    assert error.code == "engine.structure_unknown" and "'kidney_left'" in error.message


def test_structures_are_found_under_every_name_that_people_write(home):
    for words in ("kidney_left", "Kidney_Left", "Left kidney", "left_kidney"):
        (run,) = understand(KNOWN, {"structures": [words]}, "CT").runs
        assert run.structures == ("kidney_left",), words


def test_a_task_without_a_wanted_structure_is_not_run(home):
    runs = understand(
        KNOWN, {"task": "total,body", "quality": "fast", "structures": ["body_trunc"]}, "CT"
    ).runs
    assert [run.task.name for run in runs] == ["body"]


def test_the_other_modality_is_done_by_the_twin_and_said_or_refused(home):
    request = understand(KNOWN, {"task": "total", "quality": "fast"}, "MR")
    assert request.runs[0].task.name == "total_mr"
    assert (
        request.warnings[0]["code"] == "engine.task_switched" and "total_mr" in request.warnings[0]["message"]
    )
    assert understand(KNOWN, {"task": "total_mr"}, "CT").runs[0].task.name == "total"
    assert refused("MR", task="body").code == "engine.wrong_modality"


def test_an_unknown_modality_is_guessed_from_air():
    assert guess(np.array([-1000, 40])).modality == "CT"
    assert guess(np.array([-3, 1200])).modality == "MR"


def test_weights_are_those_that_the_package_will_ask_for():
    def needed(task, quality="normal", structures=()):
        return weights.needed(KNOWN, KNOWN.tasks[task], quality, structures)

    assert needed("total") == [291, 292]
    assert needed("total", "fastest") == [298]
    assert needed("total", "normal", ("vertebrae_L1",)) == [298, 292]
    assert needed("total_mr", "fast", ("liver",)) == [852]
    assert needed("lung_vessels") == [297, 117]
    assert needed("teeth") == [298, 115, 113]


def test_missing_weights_are_named_with_their_place(home):
    put_weights(home, 291)
    put_weights(home, 292, whole=False)
    assert weights.missing(KNOWN, [291, 292]) == [292]
    error = weights.complain(KNOWN, [292], "total")
    assert error.code == "engine.weights_missing"
    assert "Dataset292_x" in error.message and str(weights.folder()) in error.message
    assert "not complete" in error.message and "totalseg_download_weights" in error.hint
    assert not weights.default_present(KNOWN)
    put_weights(home, 298)
    assert weights.default_present(KNOWN)


def test_a_licensed_task_without_a_number_is_refused(home):
    assert refused(task="face").code == "engine.licence_needed"
    (home / "config.json").write_text(json.dumps({"license_number": "a" * 18}), encoding="utf-8")
    assert understand(KNOWN, {"task": "face"}, "CT").runs[0].task.licence


def fake_torch(monkeypatch, gpus: int = 0, mps: bool = False) -> None:
    cuda = SimpleNamespace(
        is_available=lambda: gpus > 0, device_count=lambda: gpus, get_device_name=lambda n: f"Card {n}"
    )
    torch = SimpleNamespace(
        cuda=cuda, backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps)),
        version=SimpleNamespace(cuda=None), __version__="9",
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch", torch)


def test_only_auto_falls_back_to_the_cpu(monkeypatch):
    fake_torch(monkeypatch)
    assert devices.resolve("auto") == devices.resolve("") == devices.resolve("CPU") == "cpu"
    for word in ("gpu", "gpu:0", "mps"):
        with pytest.raises(EngineFailed) as caught:
            devices.resolve(word)
        assert caught.value.code == "engine.no_gpu"
    fake_torch(monkeypatch, gpus=2, mps=True)
    assert devices.resolve("auto") == "gpu" and devices.resolve("gpu:1") == "gpu:1"
    assert devices.resolve("mps") == "mps"
    with pytest.raises(EngineFailed, match=r"gpu:0 \(Card 0\)"):
        devices.resolve("gpu:2")
    with pytest.raises(PipelineError, match="gpu:N") as caught:
        devices.resolve("cuda")
    assert caught.value.code == "options.invalid"


def test_what_the_package_raises_becomes_a_code():
    def code(error):
        return getattr(translate(error, "total"), "code", "as it was")

    assert code(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")) == "engine.no_memory"
    assert (
        code(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")) == "engine.no_memory"
    )
    assert code(MemoryError()) == "engine.no_memory"
    assert (
        code(np.exceptions.AxisError("x") if hasattr(np, "exceptions") else ValueError("x"))
        == "engine.failed"
    )
    assert code(RuntimeError("CUDA error: unspecified launch failure")) == "environment.gpu_gone"
    assert code(RuntimeError("PytorchStreamReader failed reading zip archive")) == "engine.weights_missing"
    assert code(SystemExit("It requires a license")) == "engine.licence_needed"
    assert code(OSError(28, "No space left on device")) == "as it was"
    assert code(Cancelled()) == "job.cancelled"


class Recorder(SilentReport):
    def __init__(self) -> None:
        self.said: list[tuple[float, str]] = []

    def progress(self, fraction: float, message: str = "") -> None:
        self.said.append((fraction, message))


def test_progress_rises_from_begin_to_end_by_tiles_weighed_by_cost():
    report = Recorder()
    course = Course(report, [1.0, 3.0], "total")
    bars = bar(course)
    course.say(0.0, "loading")
    for tiles in (2, 4):
        course.prediction_begins()
        with bars(desc=None, total=tiles, disable=False) as shown:
            for _ in range(tiles):
                course.within_tile(0.5)
                shown.update()
        course.exporting()
        course.prediction_ends()
        course.tile_half = report.said[-1][0]
        if tiles == 2:
            assert report.said[-1][0] == pytest.approx(0.05 + 0.9 * 0.25)
    course.resampling_back()
    fractions = [fraction for fraction, _ in report.said]
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(0.95)
    assert len(set(fractions)) > 14
    assert any("network 2 of 2, tile 3 of 4" in text for _, text in report.said)


def test_a_cancel_is_seen_at_every_tile():
    class Stop(Recorder):
        def check(self) -> None:
            raise Cancelled()

    with pytest.raises(Cancelled):
        bar(Course(Stop(), [1.0], "total"))(desc=None, total=3).update()


def test_replaced_names_come_back_after_an_error():
    owner = SimpleNamespace(a=1)
    with pytest.raises(RuntimeError), replaced([(owner, "a", 2), (owner, "b", 3)]):
        assert (owner.a, owner.b) == (2, 3)
        raise RuntimeError
    assert owner.a == 1 and not hasattr(owner, "b")


def test_images_of_a_folder_are_grouped_by_their_channels(tmp_path):
    for name in ("s01_0000.nii.gz", "s01_0001.nii.gz", "s02_0000.nii.gz", "s01.nii.gz", "plans.json"):
        (tmp_path / name).write_bytes(b"")
    found = _images(tmp_path, ".nii.gz")
    assert {name: len(files) for name, files in found.items()} == {"s01": 2, "s02": 1}


def test_models_that_rested_longest_are_given_up_where_memory_is_short(monkeypatch):
    from AutoSegPipelineLib.processing.engines.networks import pool

    device = SimpleNamespace(type="cpu")
    monkeypatch.setattr(pool, "new_predictor", lambda where, load, title: SimpleNamespace(device=where))
    free = [0.9]
    models = Models(free_part=lambda: free[0])
    first = models.get(Weights("a", (0,)), device, 0.5, False)
    models.get(Weights("b", (0,)), device, 0.5, False)
    assert models.get(Weights("a", (0,)), device, 0.8, True) is first and first.tile_step_size == 0.8
    assert (models.loads, len(models)) == (2, 2)
    free[0] = 0.1
    models.get(Weights("c", (0,)), device, 0.5, False)
    assert len(models) == 1 and models.loads == 3


def test_titles_are_british_and_sides_come_first():
    titles = {name: terminology.title_of(name) for name in (
        "kidney_left", "esophagus", "rib_left_1", "vertebrae_L1", "clavicula_right", "autochthon_left",
        "upper_right_canine_fdi13", "lower_left_first_molar_pulp_fdi136",
    )}  # fmt: skip
    assert list(titles.values()) == [
        "Left kidney", "Oesophagus", "Left rib 1", "Vertebra L1", "Right clavicle", "Left deep back muscle",
        "Right upper canine (tooth 13)", "Left lower first molar pulp (tooth 36)",
    ]  # fmt: skip
    assert title_of_task("lung_vessels", 4) == "Lung vessels"
    assert title_of_task("total_mr", 50) == "Whole body, 50 structures (MR)"


def test_codes_come_from_the_table_or_are_our_own():
    eye = terminology.meaning_of("eye_left")
    assert (eye.code.scheme, eye.code.meaning, eye.modifier.meaning) == ("SCT", "Eye", "Left")
    assert terminology.meaning_of("ventricle").code.meaning == "Brain ventricle"  # not the heart's
    cyst = terminology.segment_of("kidney_cyst_left", 0, 1, 0, "kidney_cyst_left")
    assert (cyst.code.meaning, cyst.region.meaning, cyst.region_modifier.meaning) == (
        "Cyst",
        "Kidney",
        "Left",
    )
    pulp = terminology.meaning_of("upper_right_canine_pulp_fdi113")
    assert pulp.code.scheme == "99AUTOSEG" and len(pulp.code.value) <= 16 and pulp.group == "teeth"


@pytest.mark.skipif("totalsegmentator" in sys.modules, reason="TotalSegmentator was imported before")
def test_without_the_package_the_engine_is_known_but_not_available(monkeypatch):
    from AutoSegPipelineLib.processing.engines.totalsegmentator import engine as module

    monkeypatch.setattr(module, "installed", lambda: False)
    engine = engines()["totalsegmentator"]
    assert engine.tasks() == [] and not engine.check().ok
    assert engine.rank < engines()["tissue"].rank
    with pytest.raises(EngineFailed) as caught:
        choose("totalsegmentator")
    assert caught.value.code == "engine.not_available" and "TotalSegmentator" in caught.value.message
    assert choose("auto", "CT").name == "tissue"


def test_where_memory_was_short_the_scan_is_done_again_in_parts_and_it_is_said(monkeypatch):
    from AutoSegPipelineLib.processing.engines.totalsegmentator import engine as module
    from AutoSegPipelineLib.processing.engines.totalsegmentator import package
    from support.tiny_totalsegmentator import scan

    tried, room = [], [0]

    def run_task(known, run, volume, options, course, device, split=False):
        tried.append(split)
        if len(tried) == 1:
            raise RuntimeError("CUDA out of memory")
        return np.zeros(volume.array.shape, np.uint8), []

    monkeypatch.setattr(package, "run_task", run_task)
    monkeypatch.setattr(package, "make_room", lambda: room[0])
    (run,) = understand(KNOWN, {"quality": "fast"}, "CT").runs
    course = Course(SilentReport(), [1.0], "total")
    small, _ = scan((30, 30, 44))
    with pytest.raises(EngineFailed) as caught:
        module._run(KNOWN, run, small, {}, course, "cpu")
    assert caught.value.code == "engine.no_memory" and tried == [False]
    tried.clear()
    room[0] = 2
    assert module._run(KNOWN, run, small, {}, course, "cpu")[1] == [] and tried == [False, False]
    tried.clear()
    tall, _ = scan((20, 20, 230))
    _, warnings = module._run(KNOWN, run, tall, {}, course, "cpu")
    assert tried == [False, True] and warnings[0]["code"] == "engine.stepped_down"
