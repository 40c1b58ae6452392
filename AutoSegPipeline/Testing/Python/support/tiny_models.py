"""Trained models of every kind that nnU-Net makes, tiny and untrained: random weights, seconds to make.

What they find means nothing, but it has many small parts in every class, so that a voxel that is handled
otherwise than by nnU-Net shows. ``python tiny_models.py RESULTS`` makes them all below ``RESULTS`` as
nnU-Net's folder of results has them; it needs nnunetv2.
"""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRAINER = "nnUNetTrainer"


@dataclass(frozen=True)
class Kind:
    """One model: ``configurations`` are trained (the last one is meant), each with ``folds``."""

    name: str
    number: int
    configurations: tuple[str, ...] = ("3d_fullres",)
    folds: tuple[str, ...] = ("0",)
    channels: tuple[str, ...] = ("CT",)
    labels: dict[str, Any] = field(default_factory=lambda: {"background": 0, "liver": 1, "left kidney": 2})
    order: tuple[int, ...] = ()
    reader: str = "SimpleITKIO"
    ending: str = ".nii.gz"
    checkpoint: str = "checkpoint_final.pth"
    mirror: tuple[int, ...] | None = (0, 1, 2)
    transpose: tuple[int, int, int] = (0, 1, 2)
    direction: str = "flipped"  # of the scan that the tests give it

    @property
    def dataset(self) -> str:
        """The name of its folder in nnU-Net's results."""
        return f"Dataset{self.number:03d}_{self.name.title()}"

    @property
    def heads(self) -> int:
        """Channels of the network's output."""
        regions = [v for k, v in self.labels.items() if k not in ("background", "ignore")]
        return len(regions) + (0 if self.order else 1)


KINDS = (
    Kind("slices", 501, ("2d",), reader="NibabelIOWithReorient", mirror=(0, 1), direction="permuted"),
    Kind("lowres", 502, ("3d_lowres",), direction="oblique"),
    Kind("fullres", 503, reader="NibabelIOWithReorient", direction="oblique"),
    Kind("cascade", 504, ("3d_lowres", "3d_cascade_fullres"), folds=("0", "1"), mirror=None),
    Kind(
        "regions", 505, order=(1, 2, 3), channels=("T1", "FLAIR"), mirror=(0,),
        labels={"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [2, 3], "enhancing_tumor": 3},
    ),
    Kind("channels", 506, channels=("T1", "T2"), reader="SimpleITKIOWithReorient", direction="oblique"),
    Kind("ensemble", 507, folds=("0", "1", "2"), mirror=None, direction="permuted"),
    Kind("ignoring", 508, labels={"background": 0, "spleen": 1, "ignore": 2}, mirror=None, ending=".nrrd"),
    Kind("turned", 509, folds=("all",), transpose=(1, 2, 0), checkpoint="checkpoint_best.pth", mirror=None),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}


def make(results: Path, kind: Kind, unsafe: Any = None) -> Path:
    """The folder of the kind's dataset below ``results``; ``unsafe`` is put into its checkpoints."""
    import torch
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = plans_of(kind)
    for number, configuration in enumerate(kind.configurations):
        folder = results / kind.dataset / f"{TRAINER}__nnUNetPlans__{configuration}"
        folder.mkdir(parents=True)
        dataset = dataset_of(kind)
        (folder / "plans.json").write_text(json.dumps(plans), encoding="ascii")
        (folder / "dataset.json").write_text(json.dumps(dataset), encoding="ascii")
        settings = PlansManager(json.loads(json.dumps(plans))).get_configuration(configuration)
        for fold in kind.folds:
            seed = kind.number * 100 + number * 10 + (9 if fold == "all" else int(fold))
            (folder / f"fold_{fold}").mkdir()
            checkpoint = checkpoint_of(kind, configuration, _weights(kind, settings, seed), plans, dataset)
            if unsafe is not None:
                checkpoint["logging"]["more"] = unsafe
            torch.save(checkpoint, folder / f"fold_{fold}" / kind.checkpoint)
    return results / kind.dataset


def checkpoint_of(kind: Kind, configuration: str, weights: Any, plans: Any, dataset: Any) -> dict[str, Any]:
    """As nnU-Net's trainer writes it, with numbers of numpy in its log and an optimiser's state."""
    import numpy as np
    import torch

    arguments = {"plans": plans, "configuration": configuration, "fold": 0, "dataset_json": dataset}
    return {
        "network_weights": weights,
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": []},
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.5)], "dice_per_class_or_region": [[np.float32(0.25)]]},
        "_best_ema": np.float64(0.5),
        "current_epoch": 1000,
        "init_args": {**arguments, "device": torch.device("cuda")},
        "trainer_name": TRAINER,
        "inference_allowed_mirroring_axes": kind.mirror,
    }


def dataset_of(kind: Kind) -> dict[str, Any]:
    """Its dataset.json."""
    found: dict[str, Any] = {
        "channel_names": {str(n): name for n, name in enumerate(kind.channels)},
        "labels": kind.labels,
        "numTraining": 1,
        "file_ending": kind.ending,
        "licence": "CC BY 4.0",
    }
    if kind.order:
        found["regions_class_order"] = list(kind.order)
    return found


def plans_of(kind: Kind) -> dict[str, Any]:
    """Its plans.json."""
    middle = {"mean": 20.0, "std": 120.0, "median": 10.0, "min": -1000.0, "max": 900.0}
    statistics = {**middle, "percentile_00_5": -500.0, "percentile_99_5": 600.0}
    back = [kind.transpose.index(axis) for axis in range(3)]
    return {
        "dataset_name": kind.dataset,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [3.0, 3.0, 3.0],
        "original_median_shape_after_transp": [40, 40, 40],
        "image_reader_writer": kind.reader,
        "transpose_forward": list(kind.transpose),
        "transpose_backward": back,
        "configurations": {name: _configuration(kind, name) for name in kind.configurations},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            str(n): statistics for n in range(len(kind.channels))
        },
    }


def _configuration(kind: Kind, name: str) -> dict[str, Any]:
    flat = name == "2d"
    spacing = {"2d": [3.1, 2.9], "3d_lowres": [4.5, 4.0, 4.2]}.get(name, [3.2, 2.8, 3.1])
    patch = [32, 24] if flat else [16, 24, 20]
    order = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    found: dict[str, Any] = {
        "data_identifier": f"nnUNetPlans_{name}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": patch,
        "median_image_size_in_voxels": [40.0] * len(patch),
        "spacing": spacing,
        "normalization_schemes": [
            "CTNormalization" if channel == "CT" else "ZScoreNormalization" for channel in kind.channels
        ],
        "use_mask_for_norm": [False] * len(kind.channels),
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": order,
        "resampling_fn_seg_kwargs": {**order, "is_seg": True, "order": 1},
        "resampling_fn_probabilities_kwargs": {**order, "order": 1},
        "batch_dice": False,
        "architecture": _architecture(len(patch)),
    }
    if name == "3d_cascade_fullres":
        found["previous_stage"] = kind.configurations[0]
    return found


def _architecture(axes: int) -> dict[str, Any]:
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": 3,
            "features_per_stage": [4, 6, 8],
            "conv_op": f"torch.nn.modules.conv.Conv{axes}d",
            "kernel_sizes": [[3] * axes] * 3,
            "strides": [[1] * axes, [2] * axes, [2] * axes],
            "n_conv_per_stage": [1, 1, 1],
            "n_conv_per_stage_decoder": [1, 1],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{axes}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def _weights(kind: Kind, settings: Any, seed: int) -> dict[str, Any]:
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    torch.manual_seed(seed)
    foreground = len(kind.labels) - 1 - ("ignore" in kind.labels)
    channels = len(kind.channels) + (foreground if settings.previous_stage_name else 0)
    network = get_network_from_plans(
        settings.network_arch_class_name, settings.network_arch_init_kwargs,
        settings.network_arch_init_kwargs_req_import, channels, kind.heads, deep_supervision=False,
    )  # fmt: skip
    state = network.state_dict()
    for name in state:
        if "seg_layers" in name:  # no class is favoured everywhere
            weight = state[name]
            state[name] = (weight - weight.mean(1, keepdim=True)) * 3.0 if weight.ndim > 1 else weight * 0.0
        elif name.endswith("norm.weight"):
            state[name] = 0.5 + torch.rand_like(state[name])
    return dict(state)


def as_zip(folder: Path, target: Path) -> Path:
    """What nnUNetv2_export_model_to_zip writes: the dataset's folder, by its path below the results."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return target


if __name__ == "__main__":
    for one in KINDS:
        print(make(Path(sys.argv[1]), one))
