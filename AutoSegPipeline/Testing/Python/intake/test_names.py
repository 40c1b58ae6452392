"""Names, stems, options files and the arrival rule: all that is decided without content."""

from __future__ import annotations

import json
import unicodedata

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.safe_open import bare_name
from AutoSegPipelineLib.intake.arrival import ARRIVED, RESTED, STALE, TRUNCATED, WAITING, Arrivals
from AutoSegPipelineLib.intake.case_names import dicom_stem, file_stem, name_state, safe_stem
from AutoSegPipelineLib.intake.options_files import options_for, read_options
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ct.nii.gz", "take"), ("folder/IM0001", "take"), ("ct.nii.gz.part", "partial"),
        ("ct.nii.crdownload", "partial"), ("CT.NII.TMP", "partial"), ("ct.nii~", "partial"),
        ("~$ct.nii", "partial"), (".ct.nii.gz.Xa3", "ignored"), (".git/ct.nii", "ignored"),
        ("__MACOSX/ct.nii", "ignored"), ("a\\Thumbs.db", "ignored"), ("", "ignored"),
    ],
)  # fmt: skip
def test_partial_downloads_wait_and_system_files_are_ignored(name, expected):
    assert name_state(name) == expected


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("ct.nii.gz", "ct"), ("CT.NII.GZ", "CT"), ("liver.seg.nrrd", "liver"), ("a/b/ct.mha", "a_b_ct"),
        ("case.zip/inner/ct.nii", "case_inner_ct"), ("v1.2.nii", "v1.2"), ("con.nii", "_con"),
        ("LPT1.x.nii.gz", "_LPT1.x"), ("a:b*c?.nii", "a_b_c_"), ("  x . .nii", "x"), ("..nii", "scan"),
        ("-rf.nii", "rf"), ("../../etc/passwd.nii", "etc_passwd"), ("a\u202egnp.nii", "a_gnp"),
        ("a\nb.nii", "a_b"), (".nii", "nii"), ("...", "scan"),
    ],
)  # fmt: skip
def test_a_stem_is_the_name_without_what_file_systems_dislike(name, stem):
    assert file_stem(name) == stem


def test_equal_letters_in_another_form_are_the_same_stem():
    assert file_stem(unicodedata.normalize("NFD", "Größe.nii")) == file_stem("Größe.nii") == "Größe"


@given(st.text(max_size=300))
def test_every_stem_is_short_and_safe_and_stays_itself(text):
    stem = safe_stem(text)
    assert 1 <= len(stem) <= 80 and len(stem.encode()) <= 210
    assert not set(stem) & set('<>:"/\\|?*\0\n\t') and stem[0] not in "-." and stem[-1] not in " ."
    assert stem.split(".")[0].casefold() not in ("con", "nul", "aux", "prn", "com1")
    assert safe_stem(stem) == stem


def test_two_long_names_stay_apart():
    one, other = safe_stem("a" * 100 + "1"), safe_stem("a" * 100 + "2")
    assert one != other and len(one) <= 80


def test_a_dicom_stem_hides_the_uid_behind_the_key():
    stem = dicom_stem("CT", 3, "1.2.3", b"secret")
    assert stem.startswith("CT_3_") and len(stem) == len("CT_3_") + 8
    assert stem == dicom_stem("CT", 3, "1.2.3", b"secret") != dicom_stem("CT", 3, "1.2.3", b"other")
    assert stem != dicom_stem("CT", 3, "1.2.4", b"secret")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "C:a", "a\0b", " a", "a:stream"])
def test_a_name_that_could_mean_another_place_is_not_bare(name):
    assert not bare_name(name)


def test_a_file_arrives_when_it_rested_and_is_complete():
    rule = Arrivals(5, 900)
    assert rule.feed("a", 10, 1, 0.0) == WAITING
    assert rule.feed("a", 10, 1, 4.9) == WAITING
    assert rule.feed("a", 20, 2, 5.0) == WAITING  # it grew
    assert rule.feed("a", 20, 2, 9.9) == WAITING
    assert rule.feed("a", 20, 2, 10.0) == RESTED
    assert rule.feed("a", 20, 2, 10.1, complete=True) == ARRIVED


def test_an_incomplete_file_is_still_arriving_for_fifteen_minutes():
    rule = Arrivals(5, 900)
    rule.feed("a", 10, 1, 0.0)
    assert rule.feed("a", 10, 1, 6.0, complete=False) == WAITING
    assert rule.feed("a", 10, 1, 899.0) == WAITING
    assert rule.feed("a", 10, 1, 900.0) == RESTED  # one last look
    assert rule.feed("a", 10, 1, 900.1, complete=False) == TRUNCATED


def test_one_more_byte_starts_the_fifteen_minutes_again():
    rule = Arrivals(5, 900)
    rule.feed("a", 10, 1, 0.0)
    rule.feed("a", 10, 1, 6.0, complete=False)
    assert rule.feed("a", 11, 2, 890.0) == WAITING
    assert rule.feed("a", 11, 2, 1700.0, complete=False) == WAITING
    assert rule.feed("a", 11, 2, 1791.0, complete=True) == ARRIVED


def test_an_answer_about_another_state_of_the_file_is_stale():
    rule = Arrivals(5, 900)
    rule.feed("a", 10, 1, 0.0)
    assert rule.feed("a", 10, 2, 6.0, complete=True) == STALE
    assert rule.feed("a", 10, 2, 7.0) == WAITING
    assert rule.feed("a", 10, 2, 11.0, complete=True) == ARRIVED


def test_times_of_the_file_are_never_compared_with_the_clock():
    rule = Arrivals(5, 900)
    far = 4 * 10**18  # a share whose server lives in the next century
    rule.feed("a", 10, far, 0.0)
    assert rule.feed("a", 10, far, 5.0, complete=True) == ARRIVED


def test_a_slower_file_system_may_ask_for_more_rest_and_paths_can_be_forgotten():
    rule = Arrivals(5, 900)
    rule.feed("a", 1, 1, 0.0)
    assert rule.feed("a", 1, 1, 6.0, settle_seconds=30) == WAITING
    assert rule.feed("a", 1, 1, 30.0, settle_seconds=30) == RESTED
    rule.feed("b", 1, 1, 30.0)
    assert rule.next_look(31.0) == 0.0
    rule.forget("a")
    assert len(rule) == 1 and rule.next_look(31.0) == pytest.approx(4.0)
    rule.forget("b")
    assert rule.next_look(31.0) is None


def test_options_beside_the_scan_and_of_the_nearest_folder_are_found(tmp_path):
    inbox = tmp_path / "inbox"
    (inbox / "a" / "b").mkdir(parents=True)
    (inbox / "options.json").write_text('{"quality": "fast"}')
    (inbox / "a" / "options.json").write_text('{"quality": "fastest"}')
    (inbox / "a" / "b" / "ct.options.json").write_text('{"task": "total", "priority": 70}')
    (tmp_path / "options.json").write_text('{"quality": "normal"}')  # above the inbox: not ours
    found = options_for(str(inbox), str(inbox / "a" / "b" / "ct.nii.gz"))
    assert found["scan"] == {"task": "total", "priority": 70}
    assert found["folder"] == {"quality": "fastest"} and found["folder_file"] == str(
        inbox / "a" / "options.json"
    )
    found = options_for(str(inbox), str(inbox / "other.nii"))
    assert (found["scan_file"], found["folder"]) == (None, {"quality": "fast"})
    (inbox / "options.json").unlink()
    assert options_for(str(inbox), str(inbox / "other.nii"))["folder_file"] is None


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ('{"qualty": "fast"}', "options.unknown_key", "quality"),
        ('{"quality": "fats"}', "options.invalid", "fast"),
        ("[1]", "options.unreadable", "object"),
        ("{", "options.unreadable", "JSON"),
        ('{"quality": "fast", "quality": "normal"}', "options.unreadable", "twice"),
        ("[" * 100000, "options.unreadable", "JSON"),
    ],
)
def test_a_wrong_options_file_says_what_is_wrong(text, code, word, tmp_path):
    (tmp_path / "a.options.json").write_text(text)
    with pytest.raises(PipelineError) as caught:
        read_options(str(tmp_path / "a.options.json"))
    assert (
        caught.value.code == code
        and word in caught.value.message
        and "a.options.json" in caught.value.message
    )


def test_a_byte_order_mark_does_not_matter(tmp_path):
    (tmp_path / "a.options.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"quality": "fast"}).encode())
    assert read_options(str(tmp_path / "a.options.json")) == {"quality": "fast"}
