"""What is asked of an archive and what it answers: studies and their series.

A question is a mapping of :data:`FIELDS` to text. ``*`` and ``?`` stand for any text and any character.
``modality`` may name several: ``CT,MR``. ``date`` is ``2026-11-29``, ``2026-11-01..2026-11-29`` (either end
may be missing), ``today``, ``yesterday`` or ``last 3 days``, which counts today.
"""

from __future__ import annotations

import datetime
import fnmatch
import re
from dataclasses import dataclass
from typing import Mapping, Sequence

from ..errors import PipelineError
from ..spec import did_you_mean

# Key -> the attribute of PS3.3 that it matches at the level of studies.
FIELDS: Mapping[str, str] = {
    "patient": "PatientID",
    "name": "PatientName",
    "accession": "AccessionNumber",
    "study": "StudyInstanceUID",
    "modality": "ModalitiesInStudy",
    "date": "StudyDate",
    "description": "StudyDescription",
}
MOST_CHARACTERS = 64
SCANS = ("CT", "MR")  # the modalities of which a case can be made
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_ISO = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
_LAST = re.compile(r"last (\d{1,4}) days?")


@dataclass(frozen=True)
class StudyQuery:
    """Checked values by the keys of :data:`FIELDS`; ``date`` is as a person wrote it."""

    values: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, given: Mapping[str, object], origin: str) -> StudyQuery:
        """From a person's words; empty ones are left out. Raises ``request.invalid``."""
        values = []
        for key, value in given.items():
            if key not in FIELDS:
                known = ", ".join(FIELDS)
                raise _wrong(f"{origin}: one cannot search by {key!r}{did_you_mean(key, FIELDS)} ({known})")
            if not isinstance(value, str):
                raise _wrong(f"{origin}: {key} is text")
            text = value.strip()
            if text:
                values.append((key, _checked(key, text, origin)))
        if all(not text.strip("*?,") for _, text in values):
            raise _wrong(f"{origin}: name at least one of {', '.join(FIELDS)}, not only by wildcards")
        return cls(tuple(values))

    def attributes(self, today: datetime.date | None = None) -> dict[str, str]:
        """Attribute -> value as C-FIND and QIDO-RS write it; days count from ``today``."""
        day = today or datetime.date.today()
        return {FIELDS[key]: _dicom_date(text, day) if key == "date" else text for key, text in self.values}

    @property
    def words(self) -> str:
        """Which fields it names, without their values: for logs and the audit."""
        return ", ".join(key for key, _ in self.values)

    def each_modality(self) -> list[StudyQuery]:
        """A question for each modality: DICOM has no *or* for them."""
        wanted = dict(self.values).get("modality", "").split(",")
        return [
            StudyQuery(tuple((key, one if key == "modality" else text) for key, text in self.values))
            for one in wanted
        ]

    def takes(self, study: FoundStudy) -> bool:
        """Whether a study has a wanted modality; some archives ignore that question."""
        wanted = dict(self.values).get("modality", "")
        return (
            not wanted
            or not study.modalities
            or any(fnmatch.fnmatchcase(one, kind) for one in study.modalities for kind in wanted.split(","))
        )


@dataclass(frozen=True)
class FoundStudy:
    """A study as the archive describes it; numbers are None where it does not say."""

    uid: str
    date: str = ""
    time: str = ""
    description: str = ""
    accession: str = ""
    patient: str = ""
    name: str = ""
    modalities: tuple[str, ...] = ()
    series: int | None = None
    instances: int | None = None

    @property
    def label(self) -> str:
        """``CT 2026-11-29``: what may be shown to everybody, free of the patient and of free text."""
        kinds = "/".join(one for one in self.modalities if one in SCANS) or "study"
        return f"{kinds} {iso_date(self.date)}".rstrip()


@dataclass(frozen=True)
class FoundSeries:
    """A series of a study."""

    uid: str
    number: int | None = None
    modality: str = ""
    description: str = ""
    body_part: str = ""
    instances: int | None = None

    @property
    def is_scan(self) -> bool:
        """Whether a case can come of it, as far as its modality tells."""
        return self.modality in SCANS


@dataclass(frozen=True)
class Found:
    """Studies, the newest first; ``more``: the limit cut the list off."""

    studies: Sequence[FoundStudy]
    more: bool


def newest_first(studies: Sequence[FoundStudy]) -> list[FoundStudy]:
    """By date and time."""
    return sorted(studies, key=lambda one: (one.date, one.time, one.uid), reverse=True)


def is_uid(text: str) -> bool:
    """Whether it is numbers between dots, at most 64 characters."""
    return len(text) <= MOST_CHARACTERS and _UID.fullmatch(text) is not None


def uid(text: str, what: str) -> str:
    """``text`` if it is a UID. Raises ``request.invalid``."""
    if not is_uid(text):
        raise _wrong(f"{what}: {text[:80]!r} is no UID")
    return text


def iso_date(text: str) -> str:
    """``20261129`` as ``2026-11-29``; anything else as it is."""
    found = _ISO.fullmatch(text)
    return "-".join(found.groups()) if found else text


def _checked(key: str, text: str, origin: str) -> str:
    if len(text) > MOST_CHARACTERS or any(ord(one) < 32 or one == "\\" for one in text):
        raise _wrong(f"{origin}: {key} is at most {MOST_CHARACTERS} characters, without a backslash")
    if key == "study":
        return uid(text, f"{origin}: study")
    if key == "modality":
        return ",".join(dict.fromkeys(one.strip().upper() for one in text.split(",") if one.strip()))
    if key == "date":
        try:
            _dicom_date(text, datetime.date.today())
        except (ValueError, OverflowError):
            raise _wrong(
                f"{origin}: {text!r} is no date; write 2026-11-29, 2026-11-01..2026-11-29, today, "
                "yesterday or last 3 days"
            ) from None
    return text


def _dicom_date(text: str, today: datetime.date) -> str:
    """``text`` as PS3.5 writes a date or a range. Raises ValueError."""
    low = text.lower()
    if low in ("today", "yesterday"):
        return _compact(today - datetime.timedelta(days=low == "yesterday"))
    last = _LAST.fullmatch(low)
    if last:
        return f"{_compact(today - datetime.timedelta(days=max(0, int(last[1]) - 1)))}-{_compact(today)}"
    first, dots, end = text.partition("..")
    if not dots:
        return _compact(_day(text))
    if not first and not end:
        raise ValueError(text)
    return f"{_compact(_day(first)) if first else ''}-{_compact(_day(end)) if end else ''}"


def _day(text: str) -> datetime.date:
    found = _ISO.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    return datetime.date(*map(int, found.groups()))


def _compact(day: datetime.date) -> str:
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def _wrong(message: str) -> PipelineError:
    return PipelineError("request.invalid", message)
