"""What a file is, by its first bytes and never by its name alone."""

from __future__ import annotations

import re
import struct

from ..formats.volume_file import METAIMAGE, NIFTI, NRRD, format_of

HEAD = 4096
DICOM_PREFIX = 132  # preamble and the letters DICM (PS3.10, 7.1)
DICOM, ZIP, UNKNOWN = "dicom", "zip", "unknown"
__all__ = ["DICOM", "METAIMAGE", "NIFTI", "NRRD", "UNKNOWN", "ZIP", "is_label_name", "sniff"]
DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
_VR = re.compile(rb"AE|AS|AT|CS|DA|DS|DT|FL|FD|IS|LO|LT|O[BDFLVW]|PN|S[HLSTV]|TM|U[CILNRSTV]")


def sniff(head: bytes) -> str:
    """Format of a file that begins with ``head`` (:data:`HEAD` bytes, fewer where it is shorter)."""
    volume = format_of(head)
    if volume in (NIFTI, NRRD):
        return volume
    if head[128:132] == b"DICM":
        return DICOM
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return ZIP
    if volume:
        return volume
    if _bare_dicom(head):
        return DICOM
    return UNKNOWN


def _bare_dicom(head: bytes) -> bool:
    """A data set without preamble: two elements of a low group, in order, that make sense (PS3.5, 7.1)."""
    at, last, found = 0, (0, -1), 0
    while found < 3 and at + 8 <= len(head):
        group, element = struct.unpack_from("<HH", head, at)
        if group not in (0x0002, 0x0008) or (group, element) <= last:
            return False
        vr = head[at + 4 : at + 6]
        if _VR.fullmatch(vr):
            if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR"):
                return found >= 1
            (size,) = struct.unpack_from("<H", head, at + 6)
        else:
            (size,) = struct.unpack_from("<I", head, at + 4)
        if size % 2 or size > 1024:
            return False
        at, last, found = at + 8 + size, (group, element), found + 1
    return found >= 2


def is_dicom_name(name: str) -> bool:
    """Whether a name says DICOM, which files shorter than :data:`DICOM_PREFIX` cannot say themselves."""
    return name.lower().endswith((".dcm", ".dicom", ".ima"))


def is_label_name(name: str) -> bool:
    """Whether a name hints at a segmentation; never enough by itself."""
    words = re.split(r"[^a-z]+", name.lower())
    hints = ("seg", "label", "labels", "mask", "labelmap", "segmentation", "segmentations")
    return any(word in hints for word in words)
