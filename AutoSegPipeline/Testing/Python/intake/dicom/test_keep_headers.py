"""What the inspection keeps of a DICOM series for objects that go back."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pydicom
import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.incoming import folder_of
from AutoSegPipelineLib.core.pacs.source_series import FILE, HEADER, find_headers, keep_beside
from support.dicom import edit, edit_all, warned
from support.dicom_objects import even, tilted
from support.intake import look, only_case


def kept(case: dict[str, Any]) -> dict[str, Any] | None:
    path = Path(case["path"]).with_name(FILE)
    if not path.exists():
        return None
    with zipfile.ZipFile(path) as archive:
        said: dict[str, Any] = json.loads(archive.read("series.json"))
    return said


def test_each_slice_with_its_uids_and_places(tmp_path: Path) -> None:
    case = only_case(look(tilted(tmp_path / "in", FrameOfReferenceUID="1.2.3.99")))
    said = kept(case)
    assert said is not None
    assert (said["study_uid"], said["series_uid"], said["frame_of_reference"]) == (
        "1.2.3",
        "1.2.3.1",
        "1.2.3.99",
    )
    assert [one["sop_uid"] for one in said["slices"]] == [f"1.2.3.1.{n}" for n in range(1, 21)]
    assert [one["position"][2] for one in said["slices"]] == [10.0 + 3.0 * n for n in range(20)]
    assert said["content"] == case["sha256"]


def test_rounded_positions_are_kept_as_they_are_stated_and_as_they_are_meant(tmp_path: Path) -> None:
    folder = even(tmp_path / "in")
    for number, path in enumerate(sorted(folder.iterdir())):
        edit(path, ImagePositionPatient=[-40, -38, round(10 + 1.25 * number, 1)], SliceThickness=1.25)
    said = kept(only_case(look(folder)))
    assert said is not None
    stated, meant = ([one[key][2] for one in said["slices"]] for key in ("position", "place"))
    assert stated == [round(10 + 1.25 * n, 1) for n in range(20)]
    steps = [b - a for a, b in zip(meant, meant[1:])]
    assert max(steps) - min(steps) < 1e-6


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
def test_nothing_is_kept_of_a_series_without_uids(keyword: str, tmp_path: Path) -> None:
    folder = even(tmp_path / "in")
    edit_all(folder.iterdir(), **{keyword: ...})
    case = only_case(look(folder))
    assert kept(case) is None
    assert "dicom.uids_missing" in warned(case)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_nothing_is_kept_where_slices_name_several_studies_or_frames(keyword: str, tmp_path: Path) -> None:
    folder = even(tmp_path / "in", FrameOfReferenceUID="1.2.3.99")
    edit_all(sorted(folder.iterdir()), **{keyword: lambda number: "1.2.9" if number == 3 else "1.2.8"})
    case = only_case(look(folder))
    assert kept(case) is None
    assert "pacs.no_source_headers" in warned(case)


def test_they_are_found_where_a_power_cut_has_left_them(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    volume = folder_of(home, "a" * 32) / "work" / "case-0002" / "scan.nii"
    volume.parent.mkdir(parents=True)
    (volume.parent / FILE).write_bytes(b"headers")
    assert find_headers(home, "a" * 32) == volume.parent / FILE
    assert find_headers(home, "b" * 32) is None
    keep_beside(home, "a" * 32, volume)
    found = find_headers(home, "a" * 32)
    assert found == home.pacs_headers / f"{'a' * 32}.zip" and found.read_bytes() == b"headers"
    assert not (volume.parent / FILE).exists()
    keep_beside(home, "a" * 32, volume)  # nothing is left to move: a scan that is no DICOM, or once more
    assert find_headers(home, "a" * 32) == found


@pytest.mark.parametrize("stated, kept_as", [({3: "YES"}, "YES"), ({0: "NO"}, "NO"), ({}, "")])
def test_whether_text_is_in_the_pixels_of_any_slice_is_kept(stated, kept_as, tmp_path: Path) -> None:
    folder = even(tmp_path / "in")
    for number, value in stated.items():
        edit(sorted(folder.iterdir())[number], BurnedInAnnotation=value)
    case = only_case(look(folder))
    with zipfile.ZipFile(Path(case["path"]).with_name(FILE)) as archive:
        header = pydicom.dcmread(io.BytesIO(archive.read(HEADER)))
    assert header.get("BurnedInAnnotation", "") == kept_as
