"""Between DICOM's words for studies and series and ours; the same for C-FIND and QIDO-RS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from ...core.pacs.query import FoundSeries, FoundStudy, StudyQuery

if TYPE_CHECKING:
    from pydicom import Dataset

STUDY_KEYS = (
    "StudyDate", "StudyTime", "AccessionNumber", "PatientName", "PatientID", "StudyDescription",
    "ModalitiesInStudy", "StudyInstanceUID", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip
SERIES_KEYS = (
    "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined", "SeriesInstanceUID",
    "NumberOfSeriesRelatedInstances",
)  # fmt: skip


def study_question(query: StudyQuery) -> dict[str, str]:
    """Attributes to match, and the empty ones that are to be answered."""
    return {**dict.fromkeys(STUDY_KEYS, ""), **query.attributes()}


def series_question(study: str) -> dict[str, str]:
    """For the series of one study."""
    return {"StudyInstanceUID": study, **dict.fromkeys(SERIES_KEYS, "")}


def study_of(answer: Dataset) -> FoundStudy:
    """A study from one answer."""
    return FoundStudy(
        uid=_text(answer, "StudyInstanceUID"),
        date=_text(answer, "StudyDate"),
        time=_text(answer, "StudyTime"),
        description=_text(answer, "StudyDescription"),
        accession=_text(answer, "AccessionNumber"),
        patient=_text(answer, "PatientID"),
        name=_text(answer, "PatientName").replace("^", " ").strip(),
        modalities=tuple(sorted(set(_texts(answer, "ModalitiesInStudy")))),
        series=_number(answer, "NumberOfStudyRelatedSeries"),
        instances=_number(answer, "NumberOfStudyRelatedInstances"),
    )


def series_of(answer: Dataset) -> FoundSeries:
    """A series from one answer."""
    return FoundSeries(
        uid=_text(answer, "SeriesInstanceUID"),
        number=_number(answer, "SeriesNumber"),
        modality=_text(answer, "Modality"),
        description=_text(answer, "SeriesDescription"),
        body_part=_text(answer, "BodyPartExamined"),
        instances=_number(answer, "NumberOfSeriesRelatedInstances"),
    )


def dataset_of(level: str, values: Mapping[str, str]) -> Dataset:
    """An identifier; values in other letters than ASCII make it UTF-8."""
    from pydicom import Dataset

    data = Dataset()
    data.QueryRetrieveLevel = level
    if not all(value.isascii() for value in values.values()):
        data.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in values.items():
        setattr(data, keyword, value if value else None)
    return data


def _texts(answer: Dataset, keyword: str) -> list[str]:
    try:
        value = answer.get(keyword)
    except Exception:  # pydicom reads a value when it is asked for; what it cannot read is not there
        return []
    if value is None:
        return []
    many = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
    # Controls would reach terminals and pages.
    texts = ["".join(one for one in str(part) if one.isprintable()).strip() for part in many]
    return [text for text in texts if text]


def _text(answer: Dataset, keyword: str) -> str:
    found = _texts(answer, keyword)
    return found[0] if found else ""


def _number(answer: Dataset, keyword: str) -> int | None:
    try:
        return int(_text(answer, keyword))
    except ValueError:
        return None
