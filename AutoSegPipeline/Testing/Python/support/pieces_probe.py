"""Our label maps beside nnU-Net's own for tiny models, in a Python that has nnunetv2.

``python pieces_probe.py FOLDER`` makes the models below FOLDER and prints what it found as JSON: for each
case whether all labels are the same, and figures about windows and memory.
"""

from __future__ import annotations

import json
import sys
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Optional
from unittest.mock import patch

import numpy as np
import SimpleITK as sitk
import tiny_models
import torch
from AutoSegPipelineLib.core.progress import SilentReport
from AutoSegPipelineLib.processing.engines.networks import label_map as label_maps
from AutoSegPipelineLib.processing.engines.networks import predict
from AutoSegPipelineLib.processing.engines.networks.batches import Batches
from AutoSegPipelineLib.processing.engines.networks.label_map import label_map
from AutoSegPipelineLib.processing.engines.networks.pool import Weights
from AutoSegPipelineLib.processing.engines.networks.predictor import new_predictor
from AutoSegPipelineLib.processing.engines.networks.progress import Course
from nnunetv2.inference.export_prediction import (
    convert_predicted_logits_to_segmentation_with_correct_shape as to_labels,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MANY = {"background": 0, **{f"part {n}": n for n in range(1, 21)}}
KINDS = {
    "classes": tiny_models.Kind("classes", 601, labels=MANY, mirror=None),
    "mirrored": tiny_models.BY_NAME["fullres"],
    "regions": tiny_models.BY_NAME["regions"],
    "folds": tiny_models.BY_NAME["ensemble"],
    "turned": tiny_models.BY_NAME["turned"],
    "cascade": replace(tiny_models.BY_NAME["cascade"], configurations=("3d_cascade_fullres",)),
}
OWN = (3.2, 2.8, 3.1)  # the models' spacing (k, j, i)
OTHERS = {"finer": (2.7, 2.9, 2.6), "anisotropic": (12.0, 2.5, 2.9)}
RESAMPLED = ("classes", "regions", "folds")  # kinds that differ in what is done with resampled scores
SHAPE = (26, 33, 29)  # no window of (16, 24, 20) divides it


class Model:
    """nnU-Net's predictor and ours with the same networks."""

    def __init__(self, results: Path, kind: tiny_models.Kind) -> None:
        self.kind = kind
        self.device = torch.device("cpu")
        (folder,) = tiny_models.make(results, kind).iterdir()
        folds = tuple(fold if fold == "all" else int(fold) for fold in kind.folds)
        mirror = kind.mirror is not None
        self.theirs = nnUNetPredictor(0.5, True, mirror, True, self.device, allow_tqdm=False)
        self.theirs.initialize_from_trained_model_folder(str(folder), folds, kind.checkpoint)
        self.ours = new_predictor(self.device, Weights(str(folder), folds, kind.checkpoint).give_to)
        back = [kind.transpose.index(axis) for axis in range(3)]
        self.own = tuple(OWN[axis] for axis in back)  # that of a scan which needs no resampling
        self.ours.tile_step_size, self.ours.use_mirroring = 0.5, mirror

    def prepared(self, shape: tuple[int, ...], spacing: tuple[float, ...], **how: Any) -> tuple[Any, Any]:
        """Preprocessed data and its properties."""
        plans, configuration = self.theirs.plans_manager, self.theirs.configuration_manager
        image = scan(shape, len(self.kind.channels), **how)
        preprocessor = configuration.preprocessor_class(verbose=False)
        properties = {"spacing": list(spacing)}
        data, _, properties = preprocessor.run_case_npy(
            image, None, properties, plans, configuration, self.theirs.dataset_json
        )
        if configuration.previous_stage_name:
            more = np.arange(data[0].size).reshape(data[0].shape) // 700 % 3
            data = np.vstack([data, *((more == n)[None].astype(np.float32) for n in (1, 2))])
        return torch.from_numpy(data), properties

    def nnunet(self, data: Any, properties: Any) -> np.ndarray:
        scores = self.theirs.predict_logits_from_preprocessed_data(data)
        plans, configuration = self.theirs.plans_manager, self.theirs.configuration_manager
        return to_labels(scores, plans, configuration, self.theirs.label_manager, properties)

    def label_map(self, data: Any, properties: Any, batches: Optional[Batches] = None) -> np.ndarray:
        self.course = Course(SilentReport(), [1.0], "tiny")
        return label_map(self.ours, data, properties, self.course, batches)


def scan(shape: tuple[int, ...], channels: int, air: int = 4) -> np.ndarray:
    """Waves and noise, with zeros around that nnU-Net crops, and ``air`` planes that it clips; of many, half
    are metal."""
    rng = np.random.default_rng(3)
    k, j, i = np.meshgrid(*(np.arange(size) for size in shape), indexing="ij")
    image = np.stack(
        [
            (np.sin(i / (3.0 + c)) + np.cos(j / 5.0) * np.sin(k / 4.0)) * 300 + rng.normal(0, 60, shape)
            for c in range(channels)
        ]
    ).astype(np.float32)
    image[:, :, :, :air] = -1000
    if air > 50:
        image[:, :, :, air // 2 : air] = 3000
    image[:, :2] = image[:, :, :, -3:] = 0
    return image


class FakeMemory:
    """A device with ``room`` for so many windows at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.given_back = 0

    def free(self) -> int:
        return 2 * self.room

    def watch(self) -> None:
        pass

    def peak(self) -> int:
        return 1

    def give_back(self) -> None:
        self.given_back += 1


class Largest(TorchDispatchMode):
    """The bytes of the largest tensor that torch makes."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if isinstance(one, torch.Tensor):
                self.bytes = max(self.bytes, one.untyped_storage().nbytes())
        return found


def same(model: Model, shape: tuple[int, ...], spacing: tuple[float, ...]) -> dict[str, Any]:
    """One case both ways."""
    data, properties = model.prepared(shape, spacing)
    wanted = model.nnunet(data, properties)
    found = model.label_map(data, properties)
    return {
        "same": bool(np.array_equal(found, wanted)),
        "type": found.dtype == wanted.dtype,
        "values": len(np.unique(wanted)),
        "kept_grid": tuple(data.shape[1:]) == tuple(properties["shape_after_cropping_and_before_resampling"]),
    }


def on_device(model: Model) -> dict[str, Any]:
    """The way of a GPU, window by window and three at a time, whose numbers torch may round otherwise."""
    data, properties = model.prepared(SHAPE, model.own)
    wanted, batches = model.label_map(data, properties), Batches(FakeMemory(3))
    single = model.label_map(data, properties, Batches(FakeMemory(1)))
    several = model.label_map(data, properties, batches)
    return {
        "single": bool(np.array_equal(single, wanted)),
        "several": float(np.mean(several == wanted)),
        "batch": batches.size,
    }


def limited(model: Model, room: int, most: int) -> dict[str, Any]:
    """A device that says it has room for ``room`` windows and has it for ``most``."""
    data, properties = model.prepared(SHAPE, OWN)
    wanted, sizes = model.nnunet(data, properties), []
    own = model.ours.batch_scores

    def batch_scores(pieces: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pieces))
        if len(pieces) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return own(pieces)

    memory = FakeMemory(room)
    model.ours.batch_scores = batch_scores
    try:
        found = model.label_map(data, properties, Batches(memory))
    finally:
        del model.ours.batch_scores
    return {
        "same": bool(np.array_equal(found, wanted)),
        "sizes": sizes,
        "given_back": memory.given_back,
        "warnings": [one["code"] for one in model.course.network_warnings],
    }


def constant(model: Model, batches: Optional[Batches] = None) -> dict[str, Any]:
    """A scan of which a large part is air of one value, and another metal of one value."""
    data, properties = model.prepared((20, 30, 150), OWN, air=100)
    tiles = len(model.ours._internal_get_sliding_window_slicers(data.shape[1:]))
    wanted, windows = model.nnunet(data, properties), []
    for name in ("batch_scores", "scores_of"):
        own = getattr(model.ours, name)
        setattr(model.ours, name, partial(counted, windows, own))
    try:
        found = model.label_map(data, properties, batches)
    finally:
        del model.ours.batch_scores, model.ours.scores_of
    return {"equal": float(np.mean(found == wanted)), "tiles": tiles, "computed": sum(windows)}


def counted(windows: list[int], own: Any, pieces: torch.Tensor, *more: Any) -> Any:
    windows.append(len(pieces))
    return own(pieces, *more)


def memory(model: Model) -> dict[str, Any]:
    """The largest array beside those of all scores; at one fold nothing needs them complete."""
    data, properties = model.prepared((80, 48, 50), OWN)
    with Largest() as largest:
        model.label_map(data, properties)
    with Largest() as theirs:
        model.nnunet(data, properties)
    scores = model.kind.heads * data[0].numel() * 2
    return {"ours": largest.bytes / scores, "theirs": theirs.bytes / scores}


def memory_given_back(model: Model, folder: Path) -> dict[str, Any]:
    """How often memory was given back after a small scan and a large one, and whether the scan was gone."""
    image = sitk.GetImageFromArray(scan(SHAPE, 1)[0])
    image.SetSpacing(OWN[::-1])
    path = str(folder / "scan_0000.nii.gz")
    sitk.WriteImage(image, path)
    scans: list[Any] = []
    gone: list[bool] = []

    def watched(predictor: Any, tensor: torch.Tensor, *more: Any) -> np.ndarray:
        scans.append(weakref.ref(tensor))
        return label_map(predictor, tensor, *more)

    times = []
    given = patch.object(predict.heap, "give_back", lambda: gone.append(scans[-1]() is None))
    with patch.object(predict, "label_map", watched), given:
        for large in (predict._LARGE, 1000):
            with patch.object(predict, "_LARGE", large):
                predict.predict_labels(model.ours, Course(SilentReport(), [1.0], "tiny"), [path])
            times.append(len(gone))
    return {"small": times[0], "large": times[1], "scan_gone": all(gone)}


def main(folder: Path) -> dict[str, Any]:
    models = {name: Model(folder, kind) for name, kind in KINDS.items()}
    found: dict[str, Any] = {"cases": {}}
    found["devices"] = {name: on_device(model) for name, model in models.items()}
    for name, model in models.items():
        found["cases"][f"{name} own"] = same(model, SHAPE, model.own)
        for word, spacing in OTHERS.items() if name in RESAMPLED else ():
            found["cases"][f"{name} {word}"] = same(model, SHAPE, spacing)
    name, label_maps._RESAMPLING = label_maps._RESAMPLING, "what nnU-Net had then"
    found["cases"]["unknown resampling"] = same(models["folds"], SHAPE, OTHERS["finer"])
    label_maps._RESAMPLING = name
    found["cases"]["smaller than a window"] = same(models["classes"], (12, 30, 17), OWN)
    found["halved"] = limited(models["classes"], 6, 2)
    found["nothing fits"] = limited(models["classes"], 6, 0)
    found["constant"] = constant(models["classes"])
    found["constant on a device"] = constant(models["classes"], Batches(FakeMemory(4)))
    found["memory"] = memory(models["classes"])
    found["given back"] = memory_given_back(models["classes"], folder)
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
