"""Scans for the tiny models, and cases that ask a worker for them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from AutoSegPipelineLib.core.segmentation import Segmentation
from AutoSegPipelineLib.processing.phantom import write_nifti
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd
from AutoSegPipelineLib.processing.volume import Volume

from support import tiny_models
from support.processing import DIRECTIONS, case_message, grid
from support.tiny_models import Kind
from support.tiny_totalsegmentator import PYTHON, QUIET
from support.worker_process import Worker

SHAPE = (37, 44, 31)
SEGMENTATION = "found.seg.nrrd"


def image(kind: Kind, channel: int = 0, seed: int = 0) -> Volume:
    """Smooth waves and noise, in Hounsfield units; not the same along any two axes."""
    rng = np.random.default_rng(seed * 100 + channel)
    k, j, i = np.meshgrid(*(np.arange(size) for size in SHAPE[::-1]), indexing="ij")
    waves = np.sin(i / (3.0 + channel)) + np.cos(j / 5.0) * np.sin(k / 4.0)
    array = (waves * 300 + rng.normal(0, 60, waves.shape)).astype(np.int16)
    array[:, :6] = -1000
    on = grid(SHAPE, DIRECTIONS[kind.direction], spacing=(2.6, 2.9, 3.3))
    return Volume(array, on, "CT" if kind.channels == ("CT",) else "MR")


def write_inputs(folder: Path, kind: Kind, seed: int = 0, name: str = "case") -> list[Path]:
    """The channels as nnU-Net wants them: ``case_0000.nii.gz``, ``case_0001.nii.gz``."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for channel in range(len(kind.channels)):
        path = folder / f"{name}_{channel:04d}{kind.ending}"
        volume = image(kind, channel, seed)
        if kind.ending == ".nii.gz":
            write_nifti(volume, path)
        else:
            import SimpleITK

            affine = np.asarray(volume.grid.affine)
            found = SimpleITK.GetImageFromArray(volume.array)
            found.SetSpacing(volume.grid.spacing)
            found.SetOrigin(affine[:3, 3].tolist())
            found.SetDirection((affine[:3, :3] / np.asarray(volume.grid.spacing)).reshape(-1).tolist())
            SimpleITK.WriteImage(found, str(path))
        paths.append(path)
    return paths


def reference(results: Path, inputs: Path, outputs: Path, *words: str) -> None:
    """nnU-Net's own labels for ``inputs``, below ``outputs``."""
    script = str(Path(__file__).with_name("tiny_reference.py"))
    done = subprocess.run(
        [PYTHON, script, str(results), str(inputs), str(outputs), *words],
        capture_output=True, encoding="utf-8", timeout=240, env={**os.environ, **QUIET}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def label_map(path: Path) -> np.ndarray:
    """A label map (k, j, i) that nnU-Net wrote."""
    import SimpleITK

    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def model_worker(models: Path, **env: str) -> Worker:
    """A worker under the other Python that knows these models."""
    more = {**QUIET, "AUTOSEG_MODELS_DIR": str(models), **env}
    return Worker(PYTHON, "-m", "AutoSegPipelineLib.processing.worker", **more)


def ask_case(
    there: Worker, task: str, paths: list[Path], folder: Path, **options: Any
) -> list[dict[str, Any]]:
    """Send a case and hear every message until its end."""
    kind = tiny_models.BY_NAME.get(task.partition(":")[0])
    wanted = {"engine": "nnunet", "task": task, "device": "cpu", **options}
    modality = "CT" if kind is None or kind.channels == ("CT",) else "MR"
    more: dict[str, Any] = {"channels": [str(path) for path in paths[1:]]} if len(paths) > 1 else {}
    # The segmentation alone: surfaces of noise take longer than the networks.
    folder.mkdir(exist_ok=True)
    more.update(only="segmentation", segmented=str(folder / SEGMENTATION))
    message = case_message(paths[0], folder, modality=modality, options=wanted, **more)
    there.send(type="case", job=f"{task}-{folder.name}", attempt=1, case=message)
    return list(there.until("done", "failed", seconds=240))


def flat(folder: Path) -> np.ndarray:
    """The label map that nnU-Net would write: each structure by its value, the higher priority last."""
    found: Segmentation = read_seg_nrrd(folder / SEGMENTATION)
    labels = np.zeros(found.grid.array_shape, np.uint16)
    for segment in sorted(found.segments, key=lambda one: one.priority):
        labels[found.layers[segment.layer] == segment.value] = segment.value
    return labels
