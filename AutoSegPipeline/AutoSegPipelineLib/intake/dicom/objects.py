"""DICOM objects that are no scans, by the names that people know them by, and what to do with each."""

from __future__ import annotations

from ...core.errors import Refused

_STORAGE = "1.2.840.10008.5.1.4.1.1."
STRUCTURE_SET = _STORAGE + "481.3"
SURFACES = _STORAGE + "66.5"
# How a SOP class begins (PS3.4 B.5; longer ones first), what it is, and the modality that stands for it.
_OBJECTS = (
    (STRUCTURE_SET, "an RT structure set (contours, not voxels)", "RTSTRUCT"),
    (_STORAGE + "481.1", "an RT image", "RTIMAGE"),
    (_STORAGE + "481.2", "an RT dose distribution", "RTDOSE"),
    (_STORAGE + "481.", "an RT plan or treatment record", "RTPLAN"),
    (SURFACES, "a surface segmentation (meshes, not voxels)", ""),
    (_STORAGE + "66.4", "a segmentation without pixels", "SEG"),
    (_STORAGE + "66.", "a registration or fiducials", "REG"),
    (_STORAGE + "67", "a real world value mapping", ""),
    (_STORAGE + "66", "raw data", ""),
    (_STORAGE + "88.59", "a key object selection", "KO"),
    (_STORAGE + "88.", "a structured report", "SR"),
    (_STORAGE + "104.", "an encapsulated document", "DOC"),
    (_STORAGE + "11.", "a presentation state", "PR"),
    (_STORAGE + "9.", "a waveform", "ECG"),
)
NO_SCANS = tuple(modality for _, _, modality in _OBJECTS if modality and modality != "RTIMAGE")


def not_an_image(name: str, sop_class: str, modality: str) -> Refused:
    """The refusal of an object that holds no scan; ``name`` is what messages call it."""
    found = [what for start, what, _ in _OBJECTS if sop_class.startswith(start)]
    found += [what for _, what, stands_for in _OBJECTS if modality and modality == stands_for]
    what = found[0] if found else f"no scan ({modality or 'it states no modality'})"
    code = "dicom.no_voxels" if sop_class.startswith((STRUCTURE_SET, SURFACES)) else "dicom.not_an_image"
    if modality == "RTSTRUCT":
        code = "dicom.no_voxels"
    return Refused(code, f"{name} is {what}.")
