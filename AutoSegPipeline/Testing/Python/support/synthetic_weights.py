"""Weights for TotalSegmentator without training: each intensity step is a structure.

The package itself runs for real with them, offline: its loading, preprocessing,
sliding window, resampling and postprocessing. A model's classes own neighbouring
intervals of intensity, :data:`STEP` wide; outside of them it says background. The
network is exact, sees only the voxel itself and has a few hundred numbers.

How: the normalised intensity z counts classes. The encoder makes LeakyReLU(z - t)
for knots t every :data:`KNOTS` classes, the decoder exact ramps max(z - t, 0) of
these, and the head scores class k by 2kc - k² - P(c), where c is z clamped to the
model's own range and P a polygon through c². That is -(c - k)² and what the polygon
leaves, the same for all classes, so the nearest class wins. Far from k the score stays
at a floor: nnU-Net sums scores in half precision, times weights from 10 down to the
smallest number there is. Background wins where z is outside.

``python synthetic_weights.py HOME [NUMBER ...]`` with the package installed makes the usual set, or these.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np

STEP = 16.0  # intensity units a class is wide
CT_ORIGIN = -900.0  # the intensity of class 0, which no structure has
MR_ORIGIN = 40.0
KNOTS = 8
SLOPE = 0.01  # nnU-Net's LeakyReLU
SCALE = 4.0  # so that scores stay apart where the window's weights are tiny
FLOOR = -144.0  # eight windows may meet in a voxel, each with weight 10: 8 * 10 * 4 * 144 < 65504
PATCH = (48, 48, 48)
BACKGROUND, BACKGROUND_6_MM = 2.8, 2.6  # see :func:`random_network`
# number -> (folder, trainer, mm, the task whose class numbers set the intensities, part)
_CT, _MR = "nnUNetTrainer_4000epochs_NoMirroring", "nnUNetTrainer_2000epochs_NoMirroring"
_PART = "nnUNetTrainerNoMirroring"
MODELS: dict[int, tuple[str, str, float, str, str]] = {
    297: ("Dataset297_TotalSegmentator_total_3mm_1559subj", _CT, 3.0, "total", ""),
    298: ("Dataset298_TotalSegmentator_total_6mm_1559subj", _CT, 6.0, "total", ""),
    291: ("Dataset291_TotalSegmentator_part1_organs_1559subj", _PART, 1.5, "total", "organs"),
    292: ("Dataset292_TotalSegmentator_part2_vertebrae_1532subj", _PART, 1.5, "total", "vertebrae"),
    293: ("Dataset293_TotalSegmentator_part3_cardiac_1559subj", _PART, 1.5, "total", "cardiac"),
    294: ("Dataset294_TotalSegmentator_part4_muscles_1559subj", _PART, 1.5, "total", "muscles"),
    295: ("Dataset295_TotalSegmentator_part5_ribs_1559subj", _PART, 1.5, "total", "ribs"),
    300: ("Dataset300_body_6mm_1559subj", "nnUNetTrainer", 6.0, "body", ""),
    852: ("Dataset852_TotalSegMRI_total_3mm_1088subj", _MR, 3.0, "total_mr", ""),
    853: ("Dataset853_TotalSegMRI_total_6mm_1088subj", _MR, 6.0, "total_mr", ""),
}
ALL = tuple(MODELS)


@dataclass(frozen=True)
class Model:
    """``first`` is the class number (of the whole task) that this model's own label 1 has."""

    number: int
    folder: str
    trainer: str
    mm: float
    origin: float
    first: int
    names: tuple[str, ...]


def intensity(label: int, modality: str = "CT") -> float:
    """The intensity that every model takes for the class ``label``."""
    return (MR_ORIGIN if modality == "MR" else CT_ORIGIN) + STEP * label


def describe(number: int) -> Model:
    """The model ``number`` with its classes, asked from the installed package."""
    from totalsegmentator import map_to_binary

    folder, trainer, mm, task, part = MODELS[number]
    whole = map_to_binary.class_map[task]
    own = map_to_binary.class_map_5_parts["class_map_part_" + part] if part else whole
    names = tuple(own[label] for label in sorted(own))
    labels = [next(k for k, v in whole.items() if v == name) for name in names]
    if labels != list(range(labels[0], labels[0] + len(labels))):
        raise ValueError(f"the classes of model {number} are not neighbours: {labels}")
    origin = MR_ORIGIN if task.endswith("_mr") else CT_ORIGIN
    return Model(number, folder, trainer, mm, origin, labels[0], names)


def make_weights(
    home: Path, numbers: Sequence[int] = ALL, patch: Sequence[int] = PATCH, real_size: bool = False
) -> Path:
    """Write these models and the package's configuration into ``home`` (TOTALSEG_HOME_DIR).

    ``real_size`` makes networks as large as the published ones, initialised at random:
    for benchmarks, where only the time counts. Their labels have as many structures as those
    of a body, and rather more boundary.
    """
    import torch

    home.mkdir(parents=True, exist_ok=True)
    config = {
        "totalseg_id": "totalseg_SYNTHETC",
        "send_usage_stats": False,
        "prediction_counter": 0,
        "statistics_disclaimer_shown": True,
    }
    (home / "config.json").write_text(json.dumps(config), encoding="ascii")
    for number in numbers:
        model = describe(number)
        knots = _knots(len(model.names))
        folder = home / "nnunet" / "results" / model.folder / f"{model.trainer}__nnUNetPlans__3d_fullres"
        (folder / "fold_0").mkdir(parents=True, exist_ok=True)
        labels = {"background": 0, **{name: n for n, name in enumerate(model.names, start=1)}}
        dataset = {
            "channel_names": {"0": "CT"},
            "labels": labels,
            "numTraining": 1,
            "file_ending": ".nii.gz",
            "overwrite_image_reader_writer": "NibabelIOWithReorient",
        }
        plans = _plans(model, patch, full_architecture() if real_size else architecture(len(knots) + 1))
        (folder / "dataset.json").write_text(json.dumps(dataset), encoding="ascii")
        (folder / "plans.json").write_text(json.dumps(plans), encoding="ascii")
        if real_size:
            background = BACKGROUND_6_MM if model.mm > 3 else BACKGROUND
            weights = dict(random_network(len(model.names) + 1, background).state_dict())
        else:
            exact = _weights(len(model.names), knots)
            weights = {name: torch.from_numpy(value) for name, value in exact.items()}
        torch.save(_checkpoint(model, weights), folder / "fold_0" / "checkpoint_final.pth")
    return home


def architecture(features: int) -> dict[str, Any]:
    """nnU-Net's plain U-Net with two stages, kernels of one voxel and nothing but convolutions."""
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": 2,
            "features_per_stage": [features, 1],
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[1, 1, 1], [1, 1, 1]],
            "strides": [[1, 1, 1], [2, 2, 2]],
            "n_conv_per_stage": [1, 1],
            "n_conv_per_stage_decoder": [1],
            "conv_bias": True,
            "norm_op": None,
            "norm_op_kwargs": {},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def full_architecture() -> dict[str, Any]:
    """The U-Net that nnU-Net itself plans for these tasks: 5 stages, 16.6 million parameters."""
    plain = architecture(0)
    plain["arch_kwargs"].update(
        n_stages=5,
        features_per_stage=[32, 64, 128, 256, 320],
        kernel_sizes=[[3, 3, 3]] * 5,
        strides=[[1, 1, 1]] + [[2, 2, 2]] * 4,
        n_conv_per_stage=[2] * 5,
        n_conv_per_stage_decoder=[2] * 4,
        norm_op="torch.nn.modules.instancenorm.InstanceNorm3d",
        norm_op_kwargs={"eps": 1e-05, "affine": True},
    )
    return plain


def random_network(heads: int, background: float = BACKGROUND) -> Any:
    """A network of :func:`full_architecture` whose last level averages and which favours ``background``.

    Without the two, labels would be noise. With them, a CT of 122x101x30 voxels of 3 mm gets about 40
    structures and 210 to 240 faces between unlike voxels for every 1000 voxels; TotalSegmentator's own
    result of a trunk of that size has 41 and 156.
    """
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from torch import nn

    torch.manual_seed(7)
    kwargs = dict(full_architecture()["arch_kwargs"])
    kwargs.update(conv_op=nn.Conv3d, norm_op=nn.InstanceNorm3d, nonlin=nn.LeakyReLU)
    network = PlainConvUNet(input_channels=1, num_classes=heads, deep_supervision=False, **kwargs)
    state = network.state_dict()
    last = len(kwargs["n_conv_per_stage_decoder"]) - 1
    for name, value in state.items():
        if name.startswith((f"decoder.stages.{last}.", f"decoder.transpconvs.{last}.")) and value.ndim == 5:
            mean = value.mean(dim=(2, 3, 4), keepdim=True) * value[0, 0].numel() ** 0.5
            state[name] = mean.expand_as(value).clone()
    state[f"decoder.seg_layers.{last}.bias"][0] += background
    network.load_state_dict(state)
    return network.eval()


def _plans(model: Model, patch: Sequence[int], network: dict[str, Any]) -> dict[str, Any]:
    spacing = [model.mm] * 3
    # z = (intensity - mean) / std: 1 at the middle of this model's first class.
    mean = model.origin + STEP * (model.first - 1)
    foreground = {
        "mean": mean, "std": STEP, "median": mean, "min": mean, "max": mean,
        # Clipped there, so that no score overflows; past the ends is background.
        "percentile_00_5": mean - STEP, "percentile_99_5": mean + STEP * (len(model.names) + 2),
    }  # fmt: skip
    order3 = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    order1 = {**order3, "order": 1}
    return {
        "dataset_name": model.folder,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": spacing,
        "original_median_shape_after_transp": list(patch),
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {
            "3d_fullres": {
                "data_identifier": "nnUNetPlans_3d_fullres",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 2,
                "patch_size": list(patch),
                "median_image_size_in_voxels": list(patch),
                "spacing": spacing,
                "normalization_schemes": ["CTNormalization"],
                "use_mask_for_norm": [False],
                "resampling_fn_data": "resample_data_or_seg_to_shape",
                "resampling_fn_seg": "resample_data_or_seg_to_shape",
                "resampling_fn_data_kwargs": order3,
                "resampling_fn_seg_kwargs": {**order1, "is_seg": True},
                "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
                "resampling_fn_probabilities_kwargs": order1,
                "architecture": network,
                "batch_dice": False,
            }
        },
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": foreground},
    }


def _checkpoint(model: Model, weights: dict[str, Any]) -> dict[str, Any]:
    return {
        "network_weights": weights,
        "trainer_name": model.trainer,
        "init_args": {"configuration": "3d_fullres"},
        "inference_allowed_mirroring_axes": None,
    }


def _knots(classes: int) -> list[float]:
    """Where the ramps begin: both ends of the range, and every few classes between them."""
    return [0.5, *range(KNOTS, classes, KNOTS), classes + 0.5]


def _weights(classes: int, knots: list[float]) -> dict[str, np.ndarray]:
    """The state of the U-Net of :func:`architecture`, by the names that it gives its parameters."""
    count = len(knots) + 1  # LeakyReLU(z - t) for every knot, and LeakyReLU(first knot - z)
    sign = np.array([*([1.0] * len(knots)), -1.0])
    encoder, encoder_bias = sign.copy(), -sign * np.array([*knots, knots[0]])
    ramps, ramps_bias = _ramps(knots)
    head, head_bias = _head(classes, knots)
    arrays: dict[str, np.ndarray] = {}

    def conv(name: str, weight: np.ndarray, bias: np.ndarray) -> None:
        """Under both names that nnU-Net's blocks have for a convolution."""
        for end in ("conv", "all_modules.0"):
            arrays[f"{name}.convs.0.{end}.weight"] = _cube(weight)
            arrays[f"{name}.convs.0.{end}.bias"] = bias.astype(np.float32)

    down, down_bias = np.zeros((1, count)), np.zeros(1)
    joined = np.concatenate([np.zeros((count, count)), ramps], axis=1)  # what came up, then the skip
    for prefix in ("encoder", "decoder.encoder"):
        conv(f"{prefix}.stages.0.0", encoder[:, None], encoder_bias)
        conv(f"{prefix}.stages.1.0", down, down_bias)
    conv("decoder.stages.0", joined, ramps_bias)
    arrays["decoder.transpconvs.0.weight"] = np.zeros((1, count, 2, 2, 2), np.float32)
    arrays["decoder.transpconvs.0.bias"] = np.zeros(count, np.float32)
    arrays["decoder.seg_layers.0.weight"] = _cube(head)
    arrays["decoder.seg_layers.0.bias"] = head_bias.astype(np.float32)
    return arrays


def _cube(matrix: np.ndarray) -> np.ndarray:
    return matrix.astype(np.float32)[:, :, None, None, None]


def _ramps(knots: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """From the LeakyReLUs to max(z - t, 0) for every knot, and last max(first knot - z, 0).

    With a = LeakyReLU(y) and b = LeakyReLU(-y): y = (a - b) / (1 + slope), and
    max(y, 0) = (a - slope * y) / (1 - slope).
    """
    count = len(knots) + 1
    line = np.zeros(count)  # z - first knot
    line[0], line[-1] = 1 / (1 + SLOPE), -1 / (1 + SLOPE)
    weight, bias = np.zeros((count, count)), np.zeros(count)
    for n, knot in enumerate([*knots, knots[0]]):
        sign = -1.0 if n == count - 1 else 1.0
        weight[n, n] += 1 / (1 - SLOPE)
        weight[n] -= sign * SLOPE / (1 - SLOPE) * line
        bias[n] = sign * SLOPE * (knot - knots[0]) / (1 - SLOPE)
    return weight, bias


def _head(classes: int, knots: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Scores of background and classes 1..n, linear in the ramps.

    At the knots class k scores -(c - k)², not below the floor, and straight between them.
    Inside, the best class loses at most (KNOTS / 2)² + 1/4 to the chords; background has
    less than that there and rises past every class outside.
    """
    at = np.array(knots)
    numbers = np.arange(1, classes + 1)[:, None]
    scores = np.maximum(-((at - numbers) ** 2), FLOOR)
    slopes = np.diff(scores) / np.diff(at)
    weight, bias = np.zeros((classes + 1, len(knots) + 1)), np.zeros(classes + 1)
    weight[1:, 0] = slopes[:, 0]
    weight[1:, 1 : len(knots) - 1] = np.diff(slopes)
    weight[1:, len(knots) - 1] = -slopes[:, -1]  # flat past the last knot
    bias[1:] = scores[:, 0]
    weight[0, -1] = weight[0, len(knots) - 1] = 100.0
    bias[0] = -(KNOTS * KNOTS) / 4.0 - 8.0
    return SCALE * weight, SCALE * bias


if __name__ == "__main__":
    print(make_weights(Path(sys.argv[1]), [int(number) for number in sys.argv[2:]] or ALL))
