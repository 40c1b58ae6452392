"""The header extension in which our label maps carry names; :mod:`..formats.nifti_labels` reads it."""

from __future__ import annotations

import struct
from typing import Iterable
from xml.sax.saxutils import escape

from ..core.segmentation import Segment
from ..formats.nifti_labels import CARET_CODE


def label_table_extension(segments: Iterable[Segment], values: dict[str, int]) -> bytes:
    """The header extension (its 8 bytes of size and code included, padded to 16) naming ``segments``."""
    rows = []
    for segment in segments:
        red, green, blue = (format(channel, ".6g") for channel in segment.colour)
        rows.append(
            f'<Label Key="{values[segment.name]}" Red="{red}" Green="{green}" Blue="{blue}" Alpha="1">'
            f"{escape(segment.name)}</Label>"
        )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0"><LabelTable>'
        + "".join(rows)
        + "</LabelTable><StudyMetaDataLinkSet></StudyMetaDataLinkSet><VolumeType>Label</VolumeType>"
        "</VolumeInformation></CaretExtension>"
    )
    content = text.encode("utf-8")
    content += b" " * (-(len(content) + 8) % 16)
    return struct.pack("<ii", len(content) + 8, CARET_CODE) + content
