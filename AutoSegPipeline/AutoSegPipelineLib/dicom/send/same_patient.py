"""The last look before anything leaves: is it about the patient and study that the job's own headers name?"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from ...core.errors import PipelineError
from ...core.home import Home
from ...core.job import Job
from ...core.pacs.identity import differences, identity_of
from ...core.pacs.sends import SentObject
from ...core.pacs.source_series import HEADER, find_headers
from ..privacy.identity import patient_key
from ..privacy.table import Pseudonyms

if TYPE_CHECKING:
    from pydicom import Dataset


def check_patient(home: Home, job: Job, folder: Path, objects: Sequence[SentObject]) -> None:
    """Compare each file with the headers of ``job``, and with the UIDs under which it was noted.

    Raises ``pacs.patient_mismatch``, ``pacs.no_source_headers``.
    """
    own = identity_of(_own_header(home, job))
    for one in objects:
        data = _read(folder / one.file)
        _complain(one, [*differences(own, identity_of(data)), *_other_uids(data, one)])


def check_pseudonym(
    home: Home, job: Job, folder: Path, objects: Sequence[SentObject], table: Pseudonyms
) -> None:
    """The same for de-identified objects: they name the pseudonym of the patient of ``job``, and nobody."""
    own = _own_header(home, job)
    wanted = {
        "PatientID": table.pseudonym(patient_key(own)),
        "PatientName": table.pseudonym(patient_key(own)),
        "StudyInstanceUID": table.uid(str(own.StudyInstanceUID)),
        "PatientIdentityRemoved": "YES",
    }
    for one in objects:
        data = _read(folder / one.file)
        wrong = [keyword for keyword, value in wanted.items() if str(data.get(keyword, "")) != value]
        _complain(one, [*wrong, *_other_uids(data, one)])


def _complain(one: SentObject, wrong: list[str]) -> None:
    if wrong:
        raise PipelineError(
            "pacs.patient_mismatch", f"the {one.kind} differs from its source in {', '.join(wrong)}"
        )


def _other_uids(data: Dataset, one: SentObject) -> list[str]:
    noted = {"SOPInstanceUID": one.sop_instance, "SeriesInstanceUID": one.series}
    return [keyword for keyword, uid in noted.items() if str(data.get(keyword, "")) != uid]


def _read(path: Path) -> Dataset:
    from pydicom import dcmread

    return dcmread(path, stop_before_pixels=True)


def _own_header(home: Home, job: Job) -> Dataset:
    from pydicom import dcmread

    path = find_headers(home, job.id)
    if path is None:
        raise PipelineError("pacs.no_source_headers", f"{job.name or job.id} has no DICOM headers any more")
    try:
        with zipfile.ZipFile(path) as archive:
            return dcmread(io.BytesIO(archive.read(HEADER)), force=True)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise PipelineError("pacs.no_source_headers", f"{path.name} cannot be read: {error}") from None
