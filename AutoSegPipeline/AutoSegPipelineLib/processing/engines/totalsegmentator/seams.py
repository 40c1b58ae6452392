"""The names in the package that are replaced while it runs a case, and put back afterwards.

``totalsegmentator.nnunet.nnUNetv2_predict`` starts processes for preprocessing
and export and loads the network again for each case; ours keeps all of it here.
The others carry progress and cancelling, decide about usage statistics, and ask
before anything is fetched.
"""

from __future__ import annotations

import inspect
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

from ... import heap
from ..networks.pool import Models, Weights, give_back_where_tight
from ..networks.predict import predict_labels, torch_device
from ..networks.processors import cpu_threads
from ..networks.progress import Course, bar
from ..networks.replacing import replaced
from . import blobs, resampling, statistics
from .native_images import Inputs, image_class, undo_crop


def is_warm() -> bool:
    """Whether the installed package has the seam for a predictor that stays loaded."""
    from totalsegmentator import nnunet

    wanted = {"dir_in", "dir_out", "task_id", "model", "folds", "trainer", "device"}
    original = getattr(nnunet, "nnUNetv2_predict", None)
    if original is None or not hasattr(nnunet, "nnUNetPredictor"):
        return False
    return wanted <= set(inspect.signature(original).parameters)


def is_lean() -> bool:
    """Whether scans and labels stay in their own type and the networks' inputs in memory."""
    return is_warm() and resampling.is_equal()


@contextmanager
def seams(
    course: Course, models: Models, fetch: Callable[[object, Callable[..., object]], None]
) -> Iterator[None]:
    """Run the package in the block. ``fetch(number, original)`` decides about weights."""
    import nibabel
    import torch
    from nnunetv2.inference import predict_from_raw_data
    from totalsegmentator import libs, nnunet, python_api

    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    original_fetch = python_api.download_pretrained_weights
    pairs: list[tuple[object, str, object]] = [
        (predict_from_raw_data, "tqdm", bar(course)),
        (python_api, "download_pretrained_weights", lambda number: fetch(number, original_fetch)),
        *statistics.replacements(python_api),
    ]
    if hasattr(libs, "tqdm"):
        pairs.append((libs, "tqdm", bar(course)))
    inputs = None
    spacing: Callable[..., object] | None = getattr(nnunet, "change_spacing", None)
    if is_lean():
        inputs = Inputs(nibabel.save, nibabel.load)
        pairs += _lean(inputs)
        spacing = resampling.change_spacing(nnunet.change_spacing)
    if spacing is not None:
        pairs.append((nnunet, "change_spacing", _watched_spacing(spacing, course)))
    if is_warm():
        predict_here = _predict_with(models, course, nnunet.nnUNetv2_predict, inputs)
        pairs.append((nnunet, "nnUNetv2_predict", predict_here))
    stdout = sys.stdout
    try:
        with replaced(pairs):
            yield
    finally:
        sys.stdout = stdout  # the package silences it for the whole process
        give_back_where_tight()
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark


def _lean(inputs: Inputs) -> list[tuple[object, str, object]]:
    """What keeps scans and labels in their own type, and counts components once."""
    import nibabel
    from totalsegmentator import nnunet, postprocessing

    return [
        (nibabel, "Nifti1Image", image_class()),
        (nibabel, "save", inputs.save),
        (nibabel, "load", inputs.load),
        (nnunet, "undo_crop", undo_crop),
        (postprocessing, "keep_largest_blob", blobs.largest),
        (postprocessing, "remove_small_blobs", blobs.without_small),
    ]


def _watched_spacing(original: Callable[..., object], course: Course) -> Callable[..., object]:
    """The package's resampling, which is also where a case can be stopped and its end is near."""

    def change_spacing(*arguments: object, **named: object) -> object:
        if named.get("target_shape") is not None or (len(arguments) > 2 and arguments[2] is not None):
            course.resampling_back()
        else:
            course.check()
        return original(*arguments, **named)

    return change_spacing


def _predict_with(
    models: Models, course: Course, original: Callable[..., object], inputs: Inputs | None
) -> Callable[..., object]:
    signature = inspect.signature(original)

    def nnUNetv2_predict(*arguments: object, **named: object) -> None:
        bound = signature.bind(*arguments, **named)
        bound.apply_defaults()
        asked = bound.arguments
        if asked.get("save_probabilities_path") or asked.get("use_cropped_logits_resampling"):
            if inputs is not None:
                inputs.write()
            original(*arguments, **named)
            return
        predict(models, course, asked, inputs)

    return nnUNetv2_predict


def predict(models: Models, course: Course, asked: dict[str, Any], inputs: Inputs | None = None) -> None:
    """Label every image in ``asked["dir_in"]``, one after the other, in this process."""
    import torch
    from totalsegmentator.nnunet import get_output_folder

    device = torch_device(asked["device"])
    torch.set_num_threads(cpu_threads() if device.type == "cpu" else 1)
    folder = get_output_folder(
        asked["task_id"], asked["trainer"], asked.get("plans", "nnUNetPlans"), asked["model"]
    )
    course.prediction_begins()
    loads, begin = models.loads, time.perf_counter()
    weights = Weights(folder, asked["folds"])
    predictor = models.get(weights, device, asked.get("step_size", 0.5), bool(asked.get("tta")))
    if models.loads > loads:
        course.log(
            f"loaded {Path(folder).parent.name} in {time.perf_counter() - begin:.1f} s ({len(models)} kept)"
        )
    plans, ending = predictor.plans_manager, predictor.dataset_json["file_ending"]
    if inputs is not None and not plans.image_reader_writer_class.__name__.startswith("NibabelIO"):
        inputs.write()
    predictor.course = course
    try:
        for name, files in _images(Path(asked["dir_in"]), ending).items():
            labels, properties = predict_labels(predictor, course, files)
            target = str(Path(asked["dir_out"], name + ending))
            plans.image_reader_writer_class().write_seg(labels, target, properties)
    finally:
        predictor.course = None
    if device.type == "cpu":
        # Only now: what the first prediction leaves for good would lie scattered in what is kept.
        heap.keep_freed()
    course.prediction_ends()


def _images(folder: Path, ending: str) -> dict[str, list[str]]:
    """The channels (``NAME_0000.nii.gz``, ``NAME_0001 ...``) of every image in the folder, by its name.

    nnU-Net's own listing starts a dozen processes for it.
    """
    images: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        stem, _, channel = path.name[: -len(ending)].rpartition("_")
        if path.name.endswith(ending) and stem and len(channel) == 4 and channel.isdigit():
            images.setdefault(stem, []).append(str(path))
    return images
