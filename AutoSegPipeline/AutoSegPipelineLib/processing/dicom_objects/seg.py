"""The segmentation as DICOM SEG: single bits (BINARY) or a label map (LABELMAP), an object for each layer.

Structures that overlap lie in different layers, so no object has two in one pixel, and a reader needs no
more memory than one label map takes. All objects of a job are one series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import PipelineError
from ...core.pacs.object_order import BINARY, COMPRESSIONS, MANUFACTURER, SEG
from ...core.pacs.uids import derived_uid
from ...core.segmentation import Segmentation
from .origin import SERIAL, Origin
from .source import Source, restore_references
from .source_slices import on_source_slices
from .structures import Structure

if TYPE_CHECKING:
    from pydicom import Dataset

DESCRIPTION = "Segmentation by AutoSegPipeline"


@dataclass
class Layer:
    """Numbers of ``structures`` at the pixels of the source, (slice, row, column); 0 is background."""

    labels: np.ndarray
    structures: list[Structure]


def layers_of(segmentation: Segmentation, source: Source, uid: str) -> list[Layer]:
    """The layers that show something on the source's slices, structures numbered in their order from 1.

    Raises ``export.empty`` where none does.
    """
    found: list[Layer] = []
    for number, voxels in enumerate(segmentation.layers):
        segments = [one for one in segmentation.segments if one.layer == number]
        if not segments:
            continue
        values = on_source_slices(voxels, segmentation.grid, source.series)
        counts = np.zeros(max(int(values.max()), max(one.value for one in segments)) + 1, np.int64)
        for plane in values:
            counts += np.bincount(plane.ravel(), minlength=len(counts))
        # Readers stumble over segments without a pixel.
        shown = [one for one in segments if counts[one.value]]
        if not shown:
            continue
        table = np.zeros(len(counts), np.uint8 if len(shown) < 1 << 8 else np.uint16)
        structures = [Structure.of(one, len(found), place, uid) for place, one in enumerate(shown, 1)]
        for structure in structures:
            table[structure.segment.value] = structure.number
        found.append(Layer(table[values], structures))
    if not found:
        raise PipelineError("export.empty", "No slice of the source shows any structure.")
    return found


def seg_object(
    layer: Layer, number: int, source: Source, origin: Origin, uid: str, encoding: str, compression: str
) -> Dataset:
    """Object ``number`` (from 0) of the series; ``uid`` is the order's for segmentations."""
    from highdicom.seg import Segmentation as HighdicomSegmentation
    from highdicom.seg import SegmentationTypeValues

    binary = encoding == BINARY
    if not binary and not hasattr(SegmentationTypeValues, encoding.upper()):
        raise PipelineError(
            "pacs.packages_missing", "Label maps need highdicom 0.24 or newer, which needs Python 3.10.",
            "Use 3D Slicer 5.10 or newer, or set `seg` to binary.",
        )  # fmt: skip
    if not binary and compression == "rle":
        _encode_without_gdcm()
    data: Dataset = HighdicomSegmentation(
        source_images=source.datasets(),
        pixel_array=layer.labels,
        segmentation_type="BINARY" if binary else "LABELMAP",
        segment_descriptions=[
            one.description(origin.algorithm(one.segment.name)) for one in layer.structures
        ],
        series_instance_uid=derived_uid(uid, "series"),
        series_number=1,
        sop_instance_uid=derived_uid(uid, "instance", number),
        instance_number=number + 1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=origin.model,
        software_versions=origin.software[0],
        device_serial_number=SERIAL,
        content_description=DESCRIPTION,
        content_label=SEG.upper(),
        transfer_syntax_uid=COMPRESSIONS["" if binary else compression],
    )
    data.ContentCreatorName = MANUFACTURER
    restore_references(data, source)
    _fix_dimension(data, derived_uid(uid, "dimensions", number))
    return data


def _encode_without_gdcm() -> None:
    """GDCM 3.2.6 aborts the process over frames with an odd number of pixels; pydicom encodes RLE itself."""
    from pydicom.pixels import get_encoder

    encoder = get_encoder(COMPRESSIONS["rle"])
    if "gdcm" in encoder.available_plugins:
        encoder.remove_plugin("gdcm")


def _fix_dimension(data: Dataset, uid: str) -> None:
    """highdicom takes a random UID; an object that is made twice is to be the same."""
    data.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for item in data.DimensionIndexSequence:
        item.DimensionOrganizationUID = uid
