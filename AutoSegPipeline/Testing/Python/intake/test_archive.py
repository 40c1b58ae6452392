"""Archives: what is inside becomes cases; what could do harm is refused before it is unpacked."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from support.intake import codes, ct_array, look, look_at, meta_bytes, nifti_bytes


def packed(*members, method=zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for member in members:
            archive.writestr(*member)
    return out.getvalue()


def with_flag(data: bytes, flag: int) -> bytes:
    """The same archive with a bit set in both headers of its first member."""
    out = bytearray(data)
    local, central = out.find(b"PK\x03\x04"), out.find(b"PK\x01\x02")
    out[local + 6] |= flag
    out[central + 8] |= flag
    return bytes(out)


def lying(data: bytes, size: int) -> bytes:
    """The same archive, whose directory says that the first member unpacks to ``size``."""
    out = bytearray(data)
    struct.pack_into("<I", out, out.find(b"PK\x01\x02") + 24, size)
    return bytes(out)


def link_member() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a.nii")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


SCAN = ("a.nii", nifti_bytes())
BAD = {
    "a parent folder": ("archive.unsafe_path", packed(("../a.nii", b"x"))),
    "a parent inside": ("archive.unsafe_path", packed(("a/../../a.nii", b"x"))),
    "an absolute path": ("archive.unsafe_path", packed(("/etc/a.nii", b"x"))),
    "a drive": ("archive.unsafe_path", packed(("C:/a.nii", b"x"))),
    "backslashes": ("archive.unsafe_path", packed(("..\\a.nii", b"x"))),
    "a share": ("archive.unsafe_path", packed(("\\\\server\\a.nii", b"x"))),
    "a stream": ("archive.unsafe_path", packed(("a.nii:hidden", b"x"))),
    "a link": ("archive.unsafe_path", packed((link_member(), "/etc/passwd"))),
    "names that differ in case": ("archive.unsafe_path", packed(SCAN, ("A.NII", nifti_bytes()))),
    "a password": ("archive.encrypted", with_flag(packed(SCAN), 1)),
    "an archive inside": ("archive.nested", packed(("b.zip", packed(SCAN)))),
    "an archive by another name": ("archive.nested", packed(("b.nii", packed(SCAN)))),
    "no end": ("archive.corrupt", packed(SCAN)[:-30]),
    "broken data": ("archive.corrupt", packed(SCAN).replace(packed(SCAN)[200:300], bytes(100))),
    "a directory that lies": ("archive.too_large", lying(packed(SCAN, method=zipfile.ZIP_STORED), 100)),
    "nothing": ("input.nothing_inside", packed()),
    "only a text": ("input.unknown_format", packed(("README.txt", "hello"))),
}


@pytest.mark.parametrize("kind", BAD)
def test_it_is_refused_with_its_own_code(kind, tmp_path):
    code, data = BAD[kind]
    answer = look_at(tmp_path, "case.zip", data)
    assert answer["cases"] == []
    # A lying size is found by the reader's checksum or by our count, whichever comes first.
    assert codes(answer) == [code] or (
        kind == "a directory that lies" and codes(answer) == ["archive.corrupt"]
    )
    assert answer["refusals"][0]["files"] == ["case.zip"]
    assert not list(tmp_path.glob("*.nii")) and os.listdir(tmp_path / "input") == ["case.zip"]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"archive_max_files": 1}, "archive.too_many_files"),
        ({"archive_max_mb": 1}, "archive.too_large"),
    ],
)
def test_limits_of_count_and_size_hold(limits, code, tmp_path):
    data = packed(("a.raw", bytes(range(256)) * 8192), ("b.raw", b"x"))
    assert codes(look_at(tmp_path, "case.zip", data, limits=limits)) == [code]


def test_an_implausible_ratio_is_refused(tmp_path):
    bomb = packed(("zeros.nii", bytes(65 << 20)))
    assert len(bomb) < 200_000
    assert codes(look_at(tmp_path, "case.zip", bomb)) == ["archive.suspicious_ratio"]


def test_an_archive_may_hold_several_scans_series_options_and_junk(tmp_path):
    phantom = torso(shape=(24, 20, 9), spacing=(12.0, 12.0, 12.0))
    slices = write_dicom_series(phantom.volume, tmp_path / "made", SeriesNumber=4)
    members = [
        ("study/one.nii", nifti_bytes()),
        ("study/one.options.json", '{"quality": "fast"}'),
        ("study/Größe 2.mhd", meta_bytes(ElementDataFile="voxels.raw")),
        ("study/voxels.raw", ct_array().tobytes()),
        ("README.txt", "from the scanner"),
        ("__MACOSX/study/._one.nii", b"junk"),
        *((f"dicom/{path.name}", path.read_bytes()) for path in slices),
    ]
    answer = look_at(tmp_path, "case.zip", packed(*members))
    assert answer["refusals"] == []
    cases = {case["label"]: case for case in answer["cases"]}
    assert sorted(case["stem"] for case in cases.values())[1:] == ["case_study_Größe 2", "case_study_one"]
    assert all(case["files"] == ["case.zip"] for case in cases.values())
    one = cases["case.zip/study/one.nii"]
    assert one["options_file"] is not None and one["options_file"].endswith("one.options.json")
    (series,) = [case for case in answer["cases"] if case["format"] == "dicom"]
    assert series["stem"].startswith("CT_4_") and series["shape"] == [24, 20, 9]


def test_the_nearest_options_of_a_folder_are_found_for_each_scan_of_it(tmp_path):
    """In a folder, in an archive (whose folders lie flat here), and from an archive up to its folder."""
    options = [("options.json", "{}"), ("a/options.json", '{"quality": "fast"}')]
    scans = [(name, nifti_bytes()) for name in ("top.nii", "a/one.nii", "a/deep/two.nii", "b/three.nii")]
    for name, data in [*options, *scans]:
        path = tmp_path / "input" / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    (tmp_path / "input" / "study" / "all.zip").write_bytes(packed(options[1], *scans))
    answer = look(tmp_path / "input")
    assert answer["refusals"] == []
    found = {case["label"]: Path(case["folder_options_file"]).read_text() for case in answer["cases"]}
    fast = {"study/a/one.nii", "study/a/deep/two.nii"}
    fast |= {"study/all.zip/a/one.nii", "study/all.zip/a/deep/two.nii"}
    assert {label for label, text in found.items() if text != "{}"} == fast
    # What a case was given it has again when it is tried again by itself.
    files = {case["label"]: case["files"] for case in answer["cases"]}
    assert files["study/a/deep/two.nii"] == ["study/a/deep/two.nii", "study/a/options.json"]
    assert files["study/all.zip/a/one.nii"] == ["study/all.zip"]
    assert files["study/all.zip/b/three.nii"] == ["study/all.zip", "study/options.json"]
    assert len(found) == 8
    (alone,) = look(tmp_path / "input" / "study" / "b")["cases"]
    assert alone["folder_options_file"] is None


def test_options_of_a_folder_hold_for_the_inspection_the_callers_win(tmp_path):
    unstated = nifti_bytes(qcode=0, scode=0)
    files = {
        "a/one.nii": unstated, "a/options.json": b'{"assume_orientation": "RAS"}',
        "b/two.nii": unstated, "b/options.json": b'{"assume_orientation": "up"}',
        "c/three.nii": unstated, "c/options.json": b"{}",
        "c/three.options.json": b'{"assume_orientation": "LPS"}',
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / "input" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "input" / name).write_bytes(data)
    answer = look(tmp_path / "input", caller={})
    facts = {case["label"]: case["facts"]["orientation"] for case in answer["cases"]}
    assert facts == {"a/one.nii": "assumed RAS", "c/three.nii": "assumed LPS"}
    assert codes(answer) == ["options.invalid"]
    caller = {"assume_orientation": "LAS"}
    answer = look(tmp_path / "input", caller=caller, options={"min_slices": 8, **caller})
    assert {case["facts"]["orientation"] for case in answer["cases"]} == {"assumed LAS"}


def test_options_of_a_folder_hold_for_a_series_of_slices(tmp_path):
    phantom = torso(shape=(24, 20, 5), spacing=(12.0, 12.0, 12.0))
    folder = tmp_path / "input" / "study" / "series"
    write_dicom_series(phantom.volume, folder, SeriesNumber=4)
    assert codes(look(tmp_path / "input", caller={})) == ["input.too_thin"]
    (tmp_path / "input" / "study" / "options.json").write_text('{"min_slices": 5, "quality": "fast"}')
    (case,) = look(tmp_path / "input", caller={})["cases"]
    assert case["folder_options_file"].endswith("options.json") and case["options_file"] is None
    (tmp_path / "input" / "study" / "series.options.json").write_text('{"min_slices": 6}')
    assert codes(look(tmp_path / "input", caller={})) == ["input.too_thin"]
    (case,) = look(tmp_path / "input", caller={"min_slices": 5}, options={"min_slices": 5})["cases"]
    assert case["options_file"].endswith("series.options.json")
    (tmp_path / "input" / "study" / "series.options.json").write_text("{")
    assert codes(look(tmp_path / "input", caller={})) == ["options.unreadable"]


def test_a_dropped_archive_leaves_the_good_scan_beside_a_bad_one(tmp_path):
    answer = look_at(tmp_path, "case.zip", packed(SCAN, ("b.nii", nifti_bytes()[:-7])))
    assert [case["stem"] for case in answer["cases"]] == ["case_a"]
    assert codes(answer) == ["input.truncated"] and answer["refusals"][0]["stem"] == "case_b"


def test_one_part_of_an_archive_can_be_asked_for_again(tmp_path):
    data = packed(SCAN, ("b.nii", nifti_bytes(ct_array(seed=2))))
    answer = look_at(tmp_path, "case.zip", data, only=["case.zip/b.nii"])
    assert [case["stem"] for case in answer["cases"]] == ["case_b"] and answer["refusals"] == []


def test_a_label_table_beside_a_segmentation_is_no_scan_and_no_refusal(tmp_path):
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "names.ctbl").write_text("1 liver 10 20 30 255")
    (tmp_path / "input" / "names.csv").write_text("value,name\n1,liver\n")
    values = (ct_array() > -500).astype("u1")
    answer = look_at(tmp_path, "a.nii", nifti_bytes(values), expect="segmentation")
    assert answer["refusals"] == [] and len(answer["cases"]) == 1
