"""What the Python of the dicom process can write; its child that makes the objects has the same packages."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from ...core.pacs.object_order import COMPRESSIONS

_FIRST_WITH_LABEL_MAPS = (0, 24)  # of highdicom; it needs Python 3.10


def label_map_compressions() -> tuple[str, ...]:
    """The compressions in which label maps can be written, by preference; none: no label maps at all."""
    try:
        numbers = tuple(int(one) for one in re.findall(r"\d+", version("highdicom"))[:2])
    except PackageNotFoundError:
        return ()
    if numbers < _FIRST_WITH_LABEL_MAPS:
        return ()
    return tuple(word for word in COMPRESSIONS if word != "jpegls" or find_spec("jpeg_ls") is not None)
