"""The table of labels that a NIfTI file may carry in a header extension.

Code 0 or 30, XML: ``CaretExtension/VolumeInformation/LabelTable/Label`` with the
attributes Key, Red, Green, Blue, Alpha and the name as text, as Connectome
Workbench defined it and ``TotalSegmentator --ml`` writes it.
"""

from __future__ import annotations

import gzip
import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import IO, Iterable, cast
from xml.sax.saxutils import escape

from ..core.segmentation import Segment
from ..formats.nifti import extensions
from .label_tables import Entry

CARET_CODE = 30  # NIFTI_ECODE_CARET


def read_label_table(path: Path) -> list[Entry]:
    """The labels named inside a NIfTI file; empty when it names none.

    Raises :class:`xml.etree.ElementTree.ParseError` or ValueError when the table is damaged.
    """
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as stream:
        for content in extensions(cast("IO[bytes]", stream)):
            text = content.rstrip(b"\0 \r\n\t")
            # A document type could define entities that grow without bound.
            if b"<LabelTable" in text and b"<!DOCTYPE" not in text:
                return _labels(text)
    return []


def _labels(text: bytes) -> list[Entry]:
    entries = []
    for label in ElementTree.fromstring(text).iter("Label"):
        value, name = int(label.attrib["Key"]), " ".join((label.text or "").split())
        if value <= 0 or not name:
            continue
        red, green, blue = (
            min(max(float(label.attrib.get(c, "0.5")), 0.0), 1.0) for c in ("Red", "Green", "Blue")
        )
        entries.append(Entry(value, name, (red, green, blue)))
    return entries


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
