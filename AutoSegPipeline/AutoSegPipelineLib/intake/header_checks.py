"""What a header may not be; each refusal with its own code."""

from __future__ import annotations

from typing import Any, Mapping

from ..core.errors import Refused
from ..core.segmentation import Affine
from ..formats.header import Header, decide_affine
from .sniff import is_label_name
from .voxel_content import Content, looks_like_labels

SCAN, SEGMENTATION, AUTO = "scan", "segmentation", "auto"
# FreeSurfer's parcellations go up to five digits, Allen's atlases to nine.
MOST_LABEL = 0xFFFFFFFF


def check_header(
    header: Header, name: str, options: Mapping[str, Any], expect: str, max_voxels: int
) -> Affine:
    """The affine (LPS mm) that holds for an acceptable header.

    Raises :class:`Refused`: ``input.own_output``, ``input.label_map``, ``input.colour``,
    ``input.two_dimensional``, ``input.four_dimensional``, ``input.too_large``,
    ``input.too_thin``, ``input.bad_affine`` and the two of orientation.
    """
    if expect == SCAN and header.own_output:
        raise Refused("input.own_output", f"{name} was written by this pipeline.")
    if expect == SCAN and header.label_marker:
        raise Refused("input.label_map", f"{name} is a segmentation: {header.label_marker}.")
    if header.extra_kind == "colour":
        raise Refused("input.colour", f"{name} holds colours.")
    layered = expect == SEGMENTATION and header.format == "nrrd" and header.extra_kind == "list"
    if header.extra > 1 and not layered:
        raise Refused("input.four_dimensional", f"{name} holds {header.extra} volumes or components.")
    if min(header.shape) < 2:
        raise Refused("input.two_dimensional", f"{name} has the shape {shape_text(header)}.")
    if header.voxels > max_voxels:
        raise Refused("input.too_large", f"{name} has {header.voxels} voxels, the limit is {max_voxels}.")
    fewest = int(options.get("min_slices") or 2)
    if expect == SCAN and min(header.shape) < fewest:
        raise Refused(
            "input.too_thin", f"{name} has the shape {shape_text(header)}, {fewest} slices are needed."
        )
    return decide_affine(header, str(options.get("assume_orientation") or ""), name)


def check_content(content: Content, name: str, label: str, expect: str, has_names: bool = False) -> None:
    """Raises ``input.non_finite``, ``constant``, ``label_map``, ``not_labels`` or ``export.empty``.

    ``has_names``: something names the labels, so many different values are no intensities.
    """
    if not content.finite:
        raise Refused("input.non_finite", f"{name} holds NaN or infinity.")
    if expect == SEGMENTATION:
        if content.constant and content.low == 0:
            raise Refused("export.empty", f"{name} has no labelled voxel.")
        if not content.integral or content.low < 0 or content.high > MOST_LABEL:
            what = "values" if content.integral else "fractions"
            values = f"{what} from {content.low:g} to {content.high:g}"
            raise Refused(
                "input.not_labels", f"{name} holds {values}; labels are whole numbers, 0 for background."
            )
        if content.distinct is None and content.flatness < 0.3 and not has_names:
            raise Refused("input.not_labels", f"{name} holds intensities, not labels.")
        return
    if content.constant:
        raise Refused("input.constant", f"{name}: every voxel is {content.low:g}.")
    if looks_like_labels(content, is_label_name(label)):
        few = len(content.distinct or ())
        raise Refused("input.label_map", f"{name} holds {few} whole numbers in flat regions, like labels.")


def shape_text(header: Header) -> str:
    """``512 x 512 x 1``."""
    return " x ".join(str(size) for size in header.shape)
