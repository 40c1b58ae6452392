"""A DICOMDIR given alone brings the files that it lists."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.dicomdir import is_dicomdir, listed_files
from AutoSegPipelineLib.core.incoming import plan
from support.intake import codes, field_slices, look

AXIAL = (1, 0, 0, 0, 1, 0)


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """The folder of a disc with a DICOMDIR and ten slices that it lists."""
    from pydicom.fileset import FileSet

    made = field_slices(
        tmp_path / "made", [(-30, -30, 3 * n) for n in range(10)], AXIAL,
        StudyDate="20200101", StudyTime="120000", StudyID="1", AccessionNumber="", PatientBirthDate="",
    )  # fmt: skip
    files = FileSet()
    for path in made:
        files.add(path)
    files.write(tmp_path / "disc")
    return tmp_path / "disc"


def test_the_files_that_it_lists_come_along(disc: Path) -> None:
    assert is_dicomdir(disc / "DICOMDIR")
    (disc / "unlisted.nii").write_bytes(b"x")
    listed = [name for _, name in listed_files(disc / "DICOMDIR")]
    there = sorted(path.relative_to(disc).as_posix() for path in disc.rglob("*") if path.is_file())
    assert sorted([*listed, "DICOMDIR", "unlisted.nii"]) == there
    intent = plan(disc / "DICOMDIR")
    assert sorted(item.name for item in intent.files) == sorted([*listed, "DICOMDIR"]) and intent.container
    assert intent.label == "DICOMDIR"


def test_names_that_a_disc_was_mounted_with_are_found(disc: Path) -> None:
    for path in sorted(disc.rglob("*"), reverse=True):
        if path.name != "DICOMDIR":
            path.rename(path.with_name(path.name.lower() + (";1" if path.is_file() else "")))
    assert len(listed_files(disc / "DICOMDIR")) == 10


def test_alone_it_is_refused_by_its_name_with_what_to_give(disc: Path) -> None:
    (disc.parent / "alone").mkdir()
    index = Path(shutil.copy(disc / "DICOMDIR", disc.parent / "alone" / "DICOMDIR"))
    intent = plan(index)
    assert [item.original for item in intent.files] == ["DICOMDIR"] and not intent.container
    answer = look(index.parent)
    assert codes(answer) == ["dicom.not_an_image"]
    error = answer["refusals"][0]["error"]
    assert "DICOMDIR" in error["message"] and error["hint"].startswith("Give the folder")


def test_beside_its_slices_it_is_listed_in_the_note(disc: Path) -> None:
    answer = look(disc)
    assert len(answer["cases"]) == 1 and answer["refusals"] == []
    assert [w["code"] for w in answer["cases"][0]["warnings"]] == ["input.passed_by"]


@pytest.mark.parametrize("name", ["..\\..\\secret", "/etc/passwd", "A\\..\\B", ""])
def test_no_name_leads_out_of_the_disc(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "disc" / "in").mkdir(parents=True)
    head = b"\0" * 128 + b"DICM" + b"1.2.840.10008.1.3.10\0"
    element = b"\x04\x00\x00\x15CS" + len(name).to_bytes(2, "little") + name.encode()
    index = tmp_path / "disc" / "in" / "DICOMDIR"
    index.write_bytes(head + element)
    assert is_dicomdir(index) and listed_files(index) == []
    index.write_bytes(head + element[:9])
    assert listed_files(index) == []
