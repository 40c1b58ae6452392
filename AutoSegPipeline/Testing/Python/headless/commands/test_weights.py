"""`autoseg weights`: models come in whole or not at all, and the list says what is there."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.headless.weights_import import STAGING, import_weights
from support.headless import autoseg

FAST = "Dataset297_TotalSegmentator_total_3mm_1559subj"
OTHER = "Dataset300_body_6mm_1559subj"
INNER = "nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres"


def checkpoint() -> bytes:
    """An archive as torch.save writes one, without torch."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", os.urandom(500))
    return stream.getvalue()


def model_files(name: str = FAST) -> dict[str, bytes]:
    """A released model's files by their names in its archive."""
    return {
        f"{name}/{INNER}/plans.json": b'{"plans_name": "nnUNetPlans"}',
        f"{name}/{INNER}/dataset.json": b'{"labels": {}}',
        f"{name}/{INNER}/fold_0/checkpoint_final.pth": checkpoint(),
    }


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def quiet(text: str) -> None:
    """Tells nobody."""


def test_a_released_archive_comes_to_where_the_package_looks(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / f"{FAST}.zip", model_files())
    home = tmp_path / "weights home"
    done = autoseg("weights", "import", archive, "--json", env={"TOTALSEG_HOME_DIR": str(home)})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    place = home / "nnunet" / "results"
    assert told["folder"] == str(place)
    assert [(one["name"], one["state"]) for one in told["models"]] == [(FAST, "imported")]
    for name, data in zipfile.ZipFile(archive).NameToInfo.items():
        assert (place / name).stat().st_size == data.file_size
    assert sorted(path.name for path in place.iterdir() if path.is_dir()) == [FAST]
    again = autoseg("weights", "import", archive, env={"TOTALSEG_HOME_DIR": str(home)})
    assert "is there already" in again.stderr and "0 of 1 models imported" in again.stdout


def test_models_are_found_in_folders_in_archives_in_folders_and_in_a_copied_home(tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    write_folder(drive / ".totalsegmentator" / "nnunet" / "results", model_files())
    write_archive(
        drive / "other.zip", {f"some/folder/{name}": data for name, data in model_files(OTHER).items()}
    )
    found = import_weights(drive, tmp_path / "target", quiet)
    assert sorted((one.name, one.state) for one in found) == [(FAST, "imported"), (OTHER, "imported")]
    (alone,) = import_weights(drive / ".totalsegmentator/nnunet/results" / FAST, tmp_path / "two", quiet)
    assert alone.state == "imported"


@pytest.mark.parametrize("gone", ["plans.json", "dataset.json", "checkpoint_final.pth"])
def test_a_model_that_lacks_a_file_is_not_taken(tmp_path: Path, gone: str) -> None:
    files = {name: data for name, data in model_files().items() if not name.endswith(gone)}
    with pytest.raises(PipelineError, match=r"missing|checkpoint") as caught:
        import_weights(write_archive(tmp_path / "a.zip", files), tmp_path / "target", quiet)
    assert caught.value.code == "weights.invalid" and FAST in caught.value.message
    assert [path.name for path in (tmp_path / "target").iterdir()] == [STAGING + ".lock"]


def test_a_checkpoint_that_was_cut_off_is_not_taken(tmp_path: Path) -> None:
    files = model_files()
    last = next(name for name in files if name.endswith(".pth"))
    for data, said in ((files[last][:300], "ends early"), (b"", "is empty")):
        with pytest.raises(PipelineError, match=said):
            import_weights(write_archive(tmp_path / "a.zip", {**files, last: data}), tmp_path / "t", quiet)
    broken = tmp_path / "cut.zip"
    broken.write_bytes(write_archive(tmp_path / "b.zip", files).read_bytes()[:-40])
    with pytest.raises(PipelineError, match="no archive, or its end is missing"):
        import_weights(broken, tmp_path / "t", quiet)


def test_a_byte_that_changed_in_the_archive_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in model_files().items():
            archive.writestr(name, data)
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[-1]
    data = bytearray(path.read_bytes())
    data[info.header_offset + 30 + len(info.filename) + 100] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(PipelineError, match="CRC") as caught:
        import_weights(path, tmp_path / "t", quiet)
    assert caught.value.code == "weights.invalid"
    assert not (tmp_path / "t" / FAST).exists()


@pytest.mark.parametrize("name", ["../../evil.txt", "a/../../evil", "c:evil", "a\\..\\evil", "/evil"])
def test_a_member_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    path = write_archive(tmp_path / "a.zip", {**model_files(), f"{FAST}/{name}": b"x"})
    with pytest.raises(PipelineError, match="not safe") as caught:
        import_weights(path, tmp_path / "in" / "target", quiet)
    assert caught.value.code == "weights.invalid"
    assert not list(tmp_path.rglob("evil*"))


def test_a_link_in_an_archive_or_folder_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.zip", model_files())
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo(f"{FAST}/link")
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(PipelineError, match="not safe"):
        import_weights(path, tmp_path / "t", quiet)
    if os.name != "nt":  # links need a privilege there
        folder = write_folder(tmp_path / "f", model_files())
        (folder / FAST / "link").symlink_to("/etc/passwd")
        with pytest.raises(PipelineError, match="is a link"):
            import_weights(folder, tmp_path / "t", quiet)


def test_a_broken_model_is_replaced_and_a_whole_one_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "t"
    write_folder(target, {f"{FAST}/{INNER}/plans.json": b"{}"})
    files = model_files()
    (first,) = import_weights(write_archive(tmp_path / "a.zip", files), target, quiet)
    assert first.state == "replaced"
    fresh = write_archive(tmp_path / "b.zip", model_files())
    place = target / FAST / INNER / "fold_0" / "checkpoint_final.pth"
    before = place.read_bytes()
    assert import_weights(fresh, target, quiet)[0].state == "kept" and place.read_bytes() == before
    assert import_weights(fresh, target, quiet, replace=True)[0].state == "replaced"
    assert place.read_bytes() != before
    assert sorted(path.name for path in target.iterdir()) == [STAGING + ".lock", FAST]


def test_what_an_import_that_was_killed_left_is_removed_by_the_next(tmp_path: Path) -> None:
    target = tmp_path / "t"
    write_folder(target / STAGING / "fresh", {f"{FAST}/half": b"x"})
    import_weights(write_archive(tmp_path / "a.zip", model_files(OTHER)), target, quiet)
    assert sorted(path.name for path in target.iterdir()) == [STAGING + ".lock", OTHER]


def test_something_else_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for path, code in (
        (tmp_path / "nowhere", "input.missing"),
        (tmp_path / "notes.txt", "weights.invalid"),
        (tmp_path, "weights.invalid"),
    ):
        done = autoseg("weights", "import", path, env={"TOTALSEG_HOME_DIR": str(tmp_path / "home")})
        assert done.returncode == 1 and code in done.stderr
    assert not (tmp_path / "home").exists()


def test_the_list_names_the_folder_and_what_is_there_even_without_the_package(tmp_path: Path) -> None:
    place = tmp_path / "nnunet" / "results"
    write_folder(place, model_files())
    write_folder(place, {f"{OTHER}/{INNER}/plans.json": b"{}"})
    done = autoseg("weights", "list", "--json", env={"TOTALSEG_HOME_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["folder"] == str(place)
    states = {model["name"]: model["state"] for model in told["models"]}
    assert states[FAST] == "there" and states[OTHER] == "broken"
    shown = autoseg("weights", "list", env={"TOTALSEG_HOME_DIR": str(tmp_path)})
    assert str(place) in shown.stdout and f"Incomplete: {OTHER}" in shown.stdout


def test_the_list_asks_the_workers_own_package(tmp_path: Path) -> None:
    python = os.environ.get("AUTOSEG_TEST_TOTALSEGMENTATOR")
    if not python:
        pytest.skip("needs TotalSegmentator (14 GB): AUTOSEG_TEST_TOTALSEGMENTATOR=yes runs it")
    write_folder(tmp_path / "nnunet" / "results", model_files())
    env = {"TOTALSEG_HOME_DIR": str(tmp_path)}
    done = autoseg("weights", "list", "total", "--worker-python", python, "--json", env=env)
    told = json.loads(done.stdout)
    assert told["version"] and [task["name"] for task in told["tasks"]] == ["total"]
    states = {model["name"]: model["state"] for model in told["models"]}
    assert states.pop(FAST) == "there" and set(states.values()) == {"missing"}
    wrong = autoseg("weights", "list", "totl", "--worker-python", python, env=env)
    assert "did you mean 'total'" in wrong.stderr
