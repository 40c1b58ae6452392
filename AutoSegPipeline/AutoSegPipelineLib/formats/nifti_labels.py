"""The table of labels that a NIfTI file may carry in a header extension.

Code 0 or 30, XML: ``CaretExtension/VolumeInformation/LabelTable/Label`` with the
attributes Key, Red, Green, Blue, Alpha and the name as text, as Connectome
Workbench defined it and ``TotalSegmentator --ml`` writes it.
"""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import IO, cast

from ..core.errors import PipelineError
from .label_rows import Entry
from .nifti import extensions

CARET_CODE = 30  # NIFTI_ECODE_CARET


def read_label_table(path: Path, name: str = "") -> list[Entry]:
    """The labels named in a NIfTI file, plain or gzip; empty when it names none.

    ``name`` is what messages call it. Raises ``export.bad_table`` when the table is damaged.
    """
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    opener = gzip.open if packed else open
    try:
        with opener(path, "rb") as stream:
            for content in extensions(cast("IO[bytes]", stream)):
                text = content.strip(b"\0 \r\n\t")
                # A document type could define entities that grow without bound.
                if b"<LabelTable" in text and b"<!DOCTYPE" not in text:
                    return _labels(text)
    except (ElementTree.ParseError, ValueError, KeyError, EOFError, OSError) as error:
        raise PipelineError(
            "export.bad_table", f"the label table inside {name or path.name} is damaged: {error}"
        ) from error
    return []


def _labels(text: bytes) -> list[Entry]:
    entries: dict[int, Entry] = {}
    for label in ElementTree.fromstring(text).iter("Label"):
        value, name = int(label.attrib["Key"]), " ".join((label.text or "").split())
        if value <= 0 or not name:
            continue
        red, green, blue = (
            min(max(float(label.attrib.get(c, "0.5")), 0.0), 1.0) for c in ("Red", "Green", "Blue")
        )
        entries.setdefault(value, Entry(value, name, (red, green, blue)))
    return list(entries.values())
