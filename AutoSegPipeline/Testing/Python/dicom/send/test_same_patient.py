"""Nothing leaves that names another patient or study than the job's own headers."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Iterator

import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.pacs.sends import SentObject
from AutoSegPipelineLib.core.pacs.source_series import HEADER, kept_headers
from AutoSegPipelineLib.dicom.privacy.deidentify import deidentify_file
from AutoSegPipelineLib.dicom.privacy.table import Pseudonyms
from AutoSegPipelineLib.dicom.send.same_patient import check_patient, check_pseudonym
from support.dicom import edit
from support.dicom_peers import write_object

STUDY = "1.2.3.4"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def job(home: Home, tmp_path: Path) -> Job:
    """A job whose headers are those of the patient and study that :func:`sent` has."""
    job = Job()
    write_object(tmp_path / "source", StudyInstanceUID=STUDY)
    with zipfile.ZipFile(kept_headers(home, job.id), "w") as archive:
        archive.write(tmp_path / "source" / "seg-1.dcm", HEADER)
    return job


@pytest.fixture
def sent(tmp_path: Path) -> SentObject:
    return write_object(tmp_path / "out", StudyInstanceUID=STUDY)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Pseudonyms]:
    found = Pseudonyms(tmp_path / "table.sqlite")
    yield found
    found.close()


def test_the_same_patient_and_study_may_leave(home: Home, job: Job, sent: SentObject, tmp_path: Path) -> None:
    check_patient(home, job, tmp_path / "out", [sent])


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "P2"),
        ("PatientName", "Doe^John"),
        ("PatientBirthDate", "19700101"),
        ("StudyInstanceUID", "1.2.3.5"),
        ("AccessionNumber", "A2"),
        ("SOPInstanceUID", "1.2.3.6"),
        ("SeriesInstanceUID", "1.2.3.7"),
    ],
)
def test_a_difference_stops_it_and_its_values_are_not_told(
    home: Home, job: Job, sent: SentObject, tmp_path: Path, keyword: str, value: str
) -> None:
    edit(tmp_path / "out" / sent.file, **{keyword: value})
    with pytest.raises(PipelineError, match=keyword) as caught:
        check_patient(home, job, tmp_path / "out", [sent])
    assert caught.value.code == "pacs.patient_mismatch" and value not in caught.value.message


def test_without_headers_nothing_leaves(home: Home, job: Job, sent: SentObject, tmp_path: Path) -> None:
    kept_headers(home, job.id).write_bytes(b"PK")
    with pytest.raises(PipelineError) as caught:
        check_patient(home, job, tmp_path / "out", [sent])
    assert caught.value.code == "pacs.no_source_headers"
    kept_headers(home, job.id).unlink()
    with pytest.raises(PipelineError) as caught:
        check_patient(home, job, tmp_path / "out", [sent])
    assert caught.value.code == "pacs.no_source_headers"


def test_a_de_identified_object_names_the_pseudonym_of_this_patient(
    home: Home, job: Job, sent: SentObject, table: Pseudonyms, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(PipelineError, match="PatientIdentityRemoved"):
        check_pseudonym(home, job, out, [sent], table)
    changed = deidentify_file(out / sent.file, out, table)
    file = str(changed.path.relative_to(out))
    anonymous = dataclasses.replace(sent, file=file, sop_instance=changed.sop_instance, series=changed.series)
    check_pseudonym(home, job, out, [anonymous], table)
    with pytest.raises(PipelineError, match="PatientID"):
        check_patient(home, job, out, [anonymous])
    data = pydicom.dcmread(changed.path)
    edit(changed.path, PatientID=table.pseudonym("id \0somebody else"), PatientName=data.PatientName)
    with pytest.raises(PipelineError, match="PatientID"):
        check_pseudonym(home, job, out, [anonymous], table)
