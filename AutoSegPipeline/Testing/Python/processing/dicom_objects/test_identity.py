"""Patient and study of every object are the source's, to the letter; anything else stops it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.identity import IDENTITY
from AutoSegPipelineLib.core.pacs.object_builder import build_objects
from AutoSegPipelineLib.processing.dicom_objects import source as sources
from AutoSegPipelineLib.processing.dicom_objects.build import Builder
from AutoSegPipelineLib.processing.dicom_objects.source import Source
from support import dicom_objects as made
from support.dicom_objects import result_of
from support.headless import clean_environment
from support.programs import package

package("highdicom")
KINDS = ("seg", "report")


def whose(data: pydicom.Dataset) -> dict[str, Any]:
    return {
        keyword: data.get(keyword) or "" for keyword in (*IDENTITY, "ReferringPhysicianName", "PatientAge")
    }


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"PatientBirthDate": "19700102", "PatientSex": "F", "AccessionNumber": "A 1", "StudyID": "S7",
         "StudyDate": "20260101", "StudyTime": "101500.250000", "IssuerOfPatientID": "Ward 3",
         "PatientAge": "055Y"},
        {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jörg",
         "ReferringPhysicianName": "Weiß^Änne"},
        {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"},
        {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"},
        {"PatientSex": "U", "PatientBirthDate": "1970", "StudyTime": "10:15"},
        {"PatientName": "", "PatientID": "", "StudyDate": ""},
    ],
    ids=["little", "usual", "latin", "unicode", "escapes", "not to the standard", "emptied"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_they_are_copied_as_the_source_has_them(tags, tmp_path: Path) -> None:
    result = result_of(made.even(tmp_path / "in", **tags))
    built = result.build(*KINDS, encoding="labelmap")
    source = result.slices[0]
    for one in built.files:
        assert whose(pydicom.dcmread(one.path)) == whose(source), one.kind
    assert built.patient["PatientName"] == str(source.PatientName)


def test_words_of_ours_beyond_the_sources_characters_do_not_spoil_its_names(tmp_path: Path) -> None:
    tags = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jörg"}
    result = result_of(made.even(tmp_path / "in", **tags), ("liver", "kidney_left", "körper"))
    for one in result.build("seg", "report", encoding="binary").files:
        data = pydicom.dcmread(one.path)
        assert data.SpecificCharacterSet == "ISO_IR 192"
        assert data.PatientName == "Müller^Jörg"


def test_another_patient_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = result_of(made.even(tmp_path / "in"))
    mark = Source.mark

    def swapped(self: Source, data: pydicom.Dataset, texts: Any = ()) -> None:
        mark(self, data, texts)
        data.PatientID = "P2"

    monkeypatch.setattr(sources.Source, "mark", swapped)
    with pytest.raises(PipelineError, match=r"differs from its source in PatientID\.") as caught:
        result.build("seg")
    assert caught.value.code == "pacs.patient_mismatch"


def test_headers_of_another_case_stop_it(tmp_path: Path) -> None:
    one, other = (result_of(made.even(tmp_path / name, PatientID=name)) for name in ("one", "two"))
    order = replace(one.order("seg"), headers=other.order("seg").headers)
    with pytest.raises(PipelineError) as caught:
        Builder(order).build()
    assert caught.value.code == "pacs.patient_mismatch"


def test_a_child_builds_and_reports(tmp_path: Path) -> None:
    result = result_of(made.even(tmp_path / "in"))
    built = build_objects(result.order("seg", "report"))
    assert [one.kind for one in built.files] == ["seg", "report"]
    assert {path.name for path in Path(built.files[0].path).parent.iterdir()} == {"seg-1.dcm", "report-1.dcm"}
    torn = tmp_path / "torn.zip"
    torn.write_bytes(b"PK")
    with pytest.raises(PipelineError) as caught:
        build_objects(replace(result.order("seg"), headers=str(torn)))
    assert caught.value.code == "pacs.no_source_headers"
    with pytest.raises(PipelineError) as caught:
        build_objects(replace(result.order("seg"), headers=str(tmp_path / "gone.zip")))
    assert caught.value.code == "pacs.objects_failed"
    broken = replace(result.order("report"), statistics=result.order("report").headers)
    with pytest.raises(PipelineError, match="UnicodeDecodeError in ") as caught:
        build_objects(broken)
    assert caught.value.code == "pacs.objects_failed"
    with pytest.raises(PipelineError, match="No objects after 0 s"):
        build_objects(result.order("seg"), timeout=0.01)


def test_the_child_ends_with_whoever_started_it(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "from AutoSegPipelineLib.processing.dicom_objects import build; import time;"
         "build.Builder = lambda order: time.sleep(60); build.read = lambda *_: 0; build.read_json = str;"
         "build.main(['x'])"],
        stdin=subprocess.PIPE, env=clean_environment(),
    )  # fmt: skip
    time.sleep(0.5)
    assert child.poll() is None
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(20) == 1


def test_headers_hold_no_pixels_and_nothing_private(tmp_path: Path) -> None:
    series = made.even(tmp_path / "in")
    for path in series.iterdir():
        data = pydicom.dcmread(path)
        data.private_block(0x0009, "VENDOR", create=True).add_new(1, "LO", "secret")
        data.KVP = "120"
        data.save_as(path)
    result = result_of(series)
    with zipfile.ZipFile(result.order("seg").headers) as archive:
        assert sorted(archive.namelist()) == ["header.dcm", "series.json"]
        (tmp_path / "header.dcm").write_bytes(archive.read("header.dcm"))
        said = json.loads(archive.read("series.json"))
    header = pydicom.dcmread(tmp_path / "header.dcm")
    assert header.PatientID == "P1" and not [e for e in header if e.tag.is_private or e.tag.group > 0x40]
    assert len(said["slices"]) == 20 and said["content"] == result.case["sha256"]


@pytest.mark.parametrize(
    ("offset", "time"),
    [("+0530", "20261129180456"), ("-1300", "20261128233456"), ("+0000", "20261129123456")],
)
def test_dates_are_in_the_time_zone_that_the_study_states(offset: str, time: str, tmp_path: Path) -> None:
    result = result_of(made.even(tmp_path / "in", TimezoneOffsetFromUTC=offset))
    for one in result.build("seg", "report").files:
        data = pydicom.dcmread(one.path)
        assert data.TimezoneOffsetFromUTC == offset
        assert data.ContentDate + data.ContentTime == time, one.kind
