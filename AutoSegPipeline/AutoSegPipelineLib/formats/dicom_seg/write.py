"""Writing a DICOM file, for which pydicom 2.4 (Python 3.9) and 3 want different words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pydicom import Dataset


def write_dicom(target: Path | BinaryIO, data: Dataset) -> None:
    """Write ``data`` with preamble and file meta information, encoded as its transfer syntax says."""
    import pydicom

    if int(pydicom.__version__.split(".")[0]) >= 3:
        pydicom.dcmwrite(target, data, enforce_file_format=True)
    else:
        syntax = pydicom.uid.UID(data.file_meta.TransferSyntaxUID)
        data.is_little_endian, data.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
        pydicom.dcmwrite(target, data, write_like_original=False)
