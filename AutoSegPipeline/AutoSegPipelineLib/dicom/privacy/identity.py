"""What in an object says who the patient is, and whether any of it is still there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterable, Iterator

from ...core.pacs.object_order import MANUFACTURER

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

PATIENT = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "OtherPatientNames",
    "PatientAge", "PatientSize", "PatientWeight",
)  # fmt: skip
STUDY = (
    "StudyInstanceUID", "StudyID", "AccessionNumber", "StudyDate", "StudyTime", "StudyDescription",
    "ReferringPhysicianName",
)  # fmt: skip
# Whose values must be nowhere else in the object.
_TELLING = ("PatientID", "OtherPatientIDs", "AccessionNumber", "PatientBirthDate", "MedicalRecordLocator")
# Words of a vocabulary; a patient who is called Long or Stone does not make them his.
_VOCABULARY = ("CodeMeaning", "CodeValue", "SegmentLabel", "SegmentAlgorithmName", "TextValue")
_TEXTS = ("AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
_WORD = re.compile(r"\w+")
_SHORTEST = 3
_SCREENS = "1.2.840.10008.5.1.4.1.1.7"
# Modalities whose devices write into the picture (ultrasound, endoscopes, screens, photographs, documents).
_WRITTEN_INTO = ("US", "IVUS", "ES", "XC", "GM", "OT", "SC", "HC", "DOC")


def attributes(data: Dataset, keywords: tuple[str, ...]) -> dict[str, str]:
    """Values of ``keywords`` at the top of ``data``, as text; those without one are left out."""
    found = {}
    for keyword in keywords:
        value = data.get(keyword)
        if value not in (None, ""):
            found[keyword] = "\\".join(value) if _many(value) else str(value)
    return found


def patient_key(data: Dataset) -> str:
    """What tells the patient of ``data`` from all others."""
    patient = attributes(data, ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate"))
    if patient.get("PatientID"):
        return f"id {patient.get('IssuerOfPatientID', '')}\0{patient['PatientID'].strip()}"
    if patient.get("PatientName"):
        return f"name {patient['PatientName'].casefold()}\0{patient.get('PatientBirthDate', '')}"
    return f"study {data.get('StudyInstanceUID', '')}"


def burned_in(data: Dataset) -> str:
    """Why the pixels may show who the patient is, or ``""``; the profile changes no pixels."""
    stated = str(data.get("BurnedInAnnotation") or "").upper()
    if stated == "YES":
        return "its header says that text is burned into its pixels"
    if stated == "NO":
        return ""
    if str(data.get("SOPClassUID") or "").startswith(_SCREENS):
        return "it is a picture of a screen, and its header does not say that its pixels are free of text"
    if str(data.get("Modality") or "").upper() in _WRITTEN_INTO:
        return f"devices of the modality {data.Modality} write text into their pictures"
    if (data.get("SamplesPerPixel") or 1) > 1:
        return "it is a colour picture, and its header does not say that its pixels are free of text"
    return ""


class Identity:
    """What must not be left of an object; made before it is changed."""

    def __init__(self, data: Dataset) -> None:
        self._exact: set[str] = set()
        self._names: list[list[str]] = []
        for element in elements(data):
            keyword = element.keyword
            if element.VR == "PN":
                for value in _values(element):
                    if str(value or "") != MANUFACTURER:
                        self._add_name(str(value or ""))
            elif keyword in _TELLING:
                for value in _values(element):
                    text = str(value or "").strip().casefold()
                    if len(text) >= _SHORTEST and text.strip("0-"):
                        self._exact.add(text)

    def _add_name(self, name: str) -> None:
        words = _WORD.findall(name.replace("_", " ").casefold())
        if words:
            self._names.append(words)

    def left_in(self, data: Dataset, gone: frozenset[str] = frozenset()) -> list[str]:
        """Keywords of the elements in which some of it still is; ``gone`` are UIDs that were replaced."""
        found = []
        for element in elements(data):
            if element.VR not in _TEXTS:
                continue
            for value in _values(element):
                text = str(value or "")
                if text in gone if element.VR == "UI" else self._is_in(text, element.keyword):
                    found.append(element.keyword or str(element.tag))
        return sorted(set(found))

    def _is_in(self, text: str, keyword: str) -> bool:
        folded = text.casefold()
        if any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", folded) for value in self._exact):
            return True
        words = set(_WORD.findall(folded.replace("_", " ")))
        for name in self._names:
            if len(name) > 1 and words.issuperset(name):
                return True
            if keyword not in _VOCABULARY and any(len(one) >= _SHORTEST and one in words for one in name):
                return True
        return False


def elements(data: Dataset) -> Iterator[DataElement]:
    """Every element of ``data``, of its file meta information and of the data sets in it."""
    meta = getattr(data, "file_meta", None)
    if meta is not None:
        yield from meta
    for element in data:
        if element.VR == "SQ":
            for item in element.value or ():
                yield from elements(item)
        else:
            yield element


def _values(element: DataElement) -> Iterable[object]:
    return element.value if _many(element.value) else [element.value]


def _many(value: object) -> bool:
    from pydicom.multival import MultiValue

    return isinstance(value, (MultiValue, list, tuple))
