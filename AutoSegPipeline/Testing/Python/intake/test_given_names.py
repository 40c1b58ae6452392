"""A refusal names a file as the person gave it, never by its name in the staging folder."""

from __future__ import annotations

import errno
import gzip
import os
import re
import shutil

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.incoming import Intent, IntentFile, given_names
from AutoSegPipelineLib.core.progress import no_check
from AutoSegPipelineLib.intake.child import run_task
from AutoSegPipelineLib.intake.dicom import convert as converter
from support.intake import ct_array, field_slices, look, meta_bytes, nifti_bytes, nrrd_bytes

STAGED = re.compile(r"0000\d\d|\bf0000|/input\b|\.work\b")
JPEG_2000 = "1.2.840.10008.1.2.4.90"

WRONG = {
    "a cut NIfTI": ("Anna CT.nii", nifti_bytes()[:-100]),
    "a cut header": ("Anna CT.nii", nifti_bytes()[:200]),
    "a cut gzip": ("Anna CT.nii.gz", gzip.compress(nifti_bytes())[:-100]),
    "a broken gzip": ("Anna CT.nii.gz", gzip.compress(nifti_bytes())[:300] + b"\xff" * 2000),
    "broken dimensions": ("Anna CT.nii", nifti_bytes(dim=[3, -12, 11, 10, 1, 1, 1, 1])),
    "one slice": ("Anna CT.nii", nifti_bytes(ct_array((12, 11, 1)))),
    "a cut NRRD": ("Anna CT.nrrd", nrrd_bytes()[:-1]),
    "a NRRD with a field twice": ("Anna CT.nrrd", nrrd_bytes(extra="encoding: raw\n")),
    "a broken bzip2 NRRD": ("Anna CT.nrrd", nrrd_bytes(encoding="bzip2")),
    "a NRRD without its data": ("Anna CT.nhdr", nrrd_bytes(data_file="Anna CT.raw")),
    "a cut MetaImage": ("Anna CT.mha", meta_bytes()[:-1]),
    "a broken archive": ("Anna CT.zip", b"PK\x03\x04" + bytes(500)),
    "text": ("Anna CT.nii", b"this is no scan at all\n" * 30),
    "nothing": ("Anna CT.nii", b""),
}


def messages(answer):
    found = [row["error"]["message"] for row in answer["refusals"]]
    assert found and answer["cases"] == []
    return found


def check(text, given):
    assert given in text and not STAGED.search(text), text


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_is_named_as_it_was_given(kind, tmp_path):
    given, data = WRONG[kind]
    staged = "000001" + given[given.index(".") :]
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / staged).write_bytes(data)
    for text in messages(look(folder, names={staged: f"patients/{given}"})):
        check(text, given)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_is_named_as_it_was_given(tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "000001.nii").symlink_to("/etc/hostname")
    (text,) = messages(look(folder, names={"000001.nii": "Anna CT.nii"}))
    check(text, "Anna CT.nii")


@pytest.mark.parametrize("data", [b"{", b"[1]", b'{"qualty": "fast"}', b'{"quality": 3}', b" " * (2 << 20)])
@pytest.mark.parametrize("given", ["Anna CT.options.json", "options.json"])
def test_a_wrong_options_file_is_named_as_it_was_given(data, given, tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    staged = "000001.options.json"
    (folder / "000001.nii").write_bytes(nifti_bytes())
    (folder / staged).write_bytes(data)
    (text,) = messages(look(folder, names={"000001.nii": "Anna CT.nii", staged: given}, caller={}))
    check(text, given)


def slices(tmp_path, change=lambda path: None):
    """Staged DICOM slices whose given names are Anna_0 ...; ``change`` breaks the third one."""
    folder, names = tmp_path / "input", {}
    places = [(-40, -40, 3 * n) for n in range(9)]
    made = field_slices(tmp_path / "made", places, (1, 0, 0, 0, 1, 0))
    folder.mkdir()
    for number, path in enumerate(made):
        staged = f"{number + 1:06d}.dcm"
        shutil.move(path, folder / staged)
        names[staged] = f"series/Anna_{number}"
    change(folder / "000003.dcm")
    return folder, names


@pytest.mark.parametrize(
    "data", [lambda old: old[:300], lambda old: old[:-100], lambda old: old[:140] + b"\xff" * 900]
)
def test_a_broken_slice_is_named_as_it_was_given(data, tmp_path):
    folder, names = slices(tmp_path, lambda path: path.write_bytes(data(path.read_bytes())))
    answer = look(folder, names=names)
    texts = [row["error"]["message"] for row in answer["refusals"]]
    assert texts
    check(texts[0], "Anna_2")


@pytest.mark.parametrize("syntax", [JPEG_2000, None])
def test_the_words_of_a_converter_name_the_given_file(syntax, tmp_path, monkeypatch):
    """The pixels cannot be decoded, and the readers quote the paths that they were given."""
    folder, names = slices(tmp_path)

    def frames(stack):
        stack.first.syntax = syntax or stack.first.syntax
        raise RuntimeError(f"ITK ERROR: GDCMImageIO:\nCannot read requested file {stack.instances[2].path}")

    def run(program, stack, staging, check):
        return None, "Unable to read /000002.dcm"

    monkeypatch.setattr(converter, "Planes", frames)
    monkeypatch.setattr(converter, "_run", run)
    monkeypatch.setattr("AutoSegPipelineLib.intake.dicom.cases.dcm2niix_path", lambda: "dcm2niix")
    (text,) = messages(look(folder, names=names))
    check(text, "requested file Anna_2")
    assert syntax or "Unable to read /Anna_2" in text


def test_a_disk_that_cannot_be_read_names_the_given_file(tmp_path, monkeypatch):
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "000001.nii").write_bytes(nifti_bytes())

    def broken(path, *args, **more):
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr("AutoSegPipelineLib.intake.inspect.read_volume_file", broken)
    args = {"folder": str(folder), "work": str(tmp_path / "work"), "names": {"000001.nii": "Anna CT.nii"}}
    with pytest.raises(PipelineError) as found:
        run_task("inspect", {**args, "options": {}}, no_check)
    assert found.value.code == "input.unreadable"
    check(found.value.message, "Anna CT.nii")


def test_a_file_that_goes_away_is_named_as_it_was_given(tmp_path, monkeypatch):
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "000001.nii").write_bytes(nifti_bytes())
    # The file leaves after its header was judged and before it is hashed.
    monkeypatch.setattr(
        "AutoSegPipelineLib.intake.inspect.completeness", lambda volume, check: os.unlink(volume.path)
    )
    (text,) = messages(look(folder, names={"000001.nii": "Anna CT.nii"}))
    check(text, "Anna CT.nii is gone")


def test_a_slice_of_the_earlier_version_that_is_gone_is_named_as_it_was_given(tmp_path):
    source, target = tmp_path / "old" / "000001.dcm", tmp_path / "input" / "v1-000001.dcm"
    intent = Intent(union=[[str(source), target.name, "series/Anna_0"]])
    args = {"pairs": [[str(source), str(target)]], "names": given_names(intent)}
    with pytest.raises(PipelineError) as found:
        run_task("link", args, no_check)
    check(found.value.message, "Anna_0")


def test_given_names_of_an_intent_with_slices_of_an_earlier_version():
    intent = Intent(
        files=[IntentFile("000001.dcm", None, "series/Anna_9"), IntentFile("000002.dcm", None, "")],
        union=[["/old/000001.dcm", "v1-000001.dcm", "series/Anna_0"], ["/old/b.dcm", "v1-b.dcm"]],
    )
    assert given_names(intent) == {
        "000001.dcm": "series/Anna_9",
        "000002.dcm": "000002.dcm",
        "v1-000001.dcm": "series/Anna_0",
        "v1-b.dcm": "b.dcm",
    }
