"""A folder of scans: what belongs together, and what is done, changed and new."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.cohort.run_record import (
    BEGUN,
    NAME,
    Entry,
    RecordWriter,
    content_of,
    read_record,
    superseded,
)
from AutoSegPipelineLib.core.files import sha256
from AutoSegPipelineLib.headless.cohort.plan import Planner, facts_of
from AutoSegPipelineLib.headless.cohort.units import PassedBy, Unit, units_of
from support.cohort import structure, write_case

LONG_AGO = (time.time() - 3600) * 1e9


def key_of(name: str) -> str:
    """How the record knows the scan ``name`` of the folder ``cohort``."""
    return Unit(Path("cohort"), (name,)).key


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def write_instances(folder: Path, study: str) -> None:
    """Two headers without pixels."""
    from pydicom.dataset import Dataset, FileMetaDataset

    folder.mkdir(parents=True)
    for number in range(2):
        found = Dataset()
        found.StudyInstanceUID, found.SOPInstanceUID = study, f"{study}.{number}"
        found.file_meta = FileMetaDataset()
        found.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        found.save_as(
            folder / f"{number}.dcm", enforce_file_format=False, implicit_vr=False, little_endian=True
        )


def test_volumes_are_units_with_what_belongs_to_them(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    put(
        root,
        "a.nii.gz",
        "a.options.json",
        "options.json",
        "README.txt",
        "list.csv",
        ".DS_Store",
        "paper.docx",
    )
    put(root, "z.zip", "sub/b.mhd", "sub/b.raw", "sub/c_0000.nii.gz", "sub/c_0001.nii.gz", "sub/lost.img")
    (root / "sub" / "b.mhd").write_text("ElementDataFile = b.raw\n")
    (root / "link.nii").symlink_to(root / "a.nii.gz")
    found = {unit.path: unit.members() for unit in units_of(root)}
    assert found == {
        "cohort/a.nii.gz": ("a.nii.gz", "options.json", "a.options.json"),
        "cohort/z.zip": ("z.zip", "options.json"),
        "cohort/sub/b.mhd": ("sub/b.mhd", "sub/b.raw", "options.json"),
        "cohort/sub/c_0000.nii.gz": ("sub/c_0000.nii.gz", "sub/c_0001.nii.gz", "options.json"),
        "cohort/sub/lost.img": ("sub/lost.img", "options.json"),
    }


def test_what_belongs_to_no_scan_is_counted_and_a_few_are_named(tmp_path: Path) -> None:
    root, passed_by = tmp_path / "cohort", PassedBy()
    put(root, "a.mhd", "a.raw", "a.options.json", ".DS_Store", "logo.png", "sub/viewer.exe", "sub/IM1")
    (root / "a.mhd").write_text("ElementDataFile = a.raw\n")
    assert [unit.path for unit in units_of(root, passed_by)] == ["cohort/a.mhd", "cohort/sub"]
    assert passed_by.text() == "2 files are no scan and were passed by: logo.png and sub/viewer.exe."
    passed_by.add(f"{number}.png" for number in range(2000))
    assert passed_by.count == 2002
    assert passed_by.text().endswith("logo.png, sub/viewer.exe, 0.png, 1.png, 2.png, 3.png and 1,996 more.")


def test_folders_of_one_study_stay_together_and_studies_apart(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    for folder, study in (("p1/s1", "1.2.1"), ("p1/s2", "1.2.1"), ("p2/s1", "1.2.2"), ("p3", "1.2.3")):
        write_instances(root / folder, study)
    put(root, "p4/unknown", "p1/notes.txt")
    found = {unit.path: unit.folders for unit in units_of(root)}
    assert found == {
        "cohort/p1/s1": ("p1/s1", "p1/s2"),
        "cohort/p2/s1": ("p2/s1",),
        "cohort/p3": ("p3",),
        "cohort/p4": ("p4",),
    }
    (first,) = [unit for unit in units_of(root) if unit.path == "cohort/p1/s1"]
    assert first.members() == ("p1/s1/0.dcm", "p1/s1/1.dcm", "p1/s2/0.dcm", "p1/s2/1.dcm")


class Scene:
    """A cohort of files, an OUT, and the record of what an earlier run did."""

    def __init__(self, folder: Path) -> None:
        self.root, self.out = folder / "cohort", folder / "out"
        self.root.mkdir()
        self.out.mkdir()

    def add(self, name: str, text: str = "") -> None:
        path = self.root / name
        path.write_text(text or name)
        os.utime(path, ns=(int(LONG_AGO), int(LONG_AGO)))

    def ended(self, name: str, state: str = "done", **about: object) -> None:
        """The record of a run that began a moment ago."""
        facts = facts_of(Unit(self.root, (name,)))
        stem = name.split(".")[0]
        values = {
            "asked": "o", "version": "1", "size": facts.size, "newest_ns": facts.newest_ns,
            "at_ns": time.time_ns(), "content": content_of([sha256(self.root / name)]),
            "names": [stem] if state == "done" else [], "job": f"job-{stem}", "single": True, **about,
        }  # fmt: skip
        writer = RecordWriter(self.out)
        writer.write(Entry(unit=key_of(name), state=state, stat=facts.stat, **values))  # type: ignore[arg-type]
        writer.close()
        if state == "done":
            write_case(self.out, stem, [structure("liver", 1.0, None)])

    def plan(
        self, asked: str = "o", version: str = "1", again: bool = False
    ) -> tuple[list[str], dict[str, int]]:
        """(paths of what is to be done, counts)."""
        writer = RecordWriter(self.out)
        record = read_record(self.out)

        def note(entry: Entry) -> None:
            record.add(entry)
            writer.write(entry)

        plan = Planner(self.out, record, asked, version, again, note).plan(units_of(self.root))
        writer.close()
        return [unit.path.partition("/")[2] for unit, _ in plan.todo], dict(plan.counts)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    for name in "abcd":
        made.add(f"{name}.nii")
    return made


def test_done_failed_refused_and_new_are_told_apart(scene: Scene) -> None:
    scene.ended("a.nii")
    scene.ended("b.nii", "failed")
    scene.ended("c.nii", "refused")
    assert scene.plan() == (["b.nii", "d.nii"], {"done": 1, "failed": 1, "refused": 1, "new": 1})
    assert scene.plan(asked="other")[0] == ["a.nii", "b.nii", "c.nii", "d.nii"]
    assert scene.plan(version="2")[0] == ["b.nii", "c.nii", "d.nii"], "a later version may take it"
    assert scene.plan(again=True)[0] == ["a.nii", "b.nii", "c.nii", "d.nii"]
    (scene.out / "a.manifest.json").unlink()
    assert scene.plan()[1]["gone"] == 1


def test_a_scan_that_was_only_touched_is_done_and_one_of_other_bytes_is_not(scene: Scene) -> None:
    for name in "abcd":
        scene.ended(f"{name}.nii")
    (scene.root / "a.nii").touch()
    (scene.root / "b.nii").write_text("B.NII")
    (scene.root / "c.nii").write_text("much longer than before")
    assert scene.plan() == (["b.nii", "c.nii"], {"done": 2, "changed": 2})
    assert read_record(scene.out).units[key_of("a.nii")].stat == facts_of(Unit(scene.root, ("a.nii",))).stat


def test_a_change_within_the_grain_of_time_stamps_is_seen(scene: Scene) -> None:
    scene.ended("a.nii")
    before = os.stat(scene.root / "a.nii")
    now = time.time_ns()
    os.utime(scene.root / "a.nii", ns=(now, now))
    scene.ended("a.nii")
    (scene.root / "a.nii").write_text("A.NII")
    os.utime(scene.root / "a.nii", ns=(now, now))
    assert os.stat(scene.root / "a.nii").st_size == before.st_size
    assert scene.plan()[1]["changed"] == 1


def test_a_scan_that_was_moved_is_done(scene: Scene) -> None:
    for name in "abcd":
        scene.ended(f"{name}.nii")
    (scene.root / "a.nii").rename(scene.root / "e.nii")
    (scene.root / "b.nii").unlink()
    scene.add("f.nii", "F.NII")
    assert scene.plan() == (["f.nii"], {"done": 3, "new": 1})
    assert read_record(scene.out).units[key_of("e.nii")].names == ["a"]
    assert scene.plan() == (["f.nii"], {"done": 3, "new": 1}), "found once, known from then on"


def test_what_was_published_before_a_crash_is_not_done_twice(scene: Scene) -> None:
    for name, single in (("a.nii", True), ("b.nii", False), ("c.nii", True)):
        scene.ended(name, BEGUN, single=single, content="")
    for stem in ("a", "b"):
        about = {"job": f"job-{stem}", "modality": "CT"}
        write_case(scene.out, stem, [structure("liver", 1.0, None)], input=about)
    with open(scene.out / NAME, "ab") as stream:
        stream.write(b'{"unit": "cohort/d.nii", "sta')
    todo, counts = scene.plan()
    assert todo == ["b.nii", "c.nii", "d.nii"] and counts == {"done": 1, "failed": 1, "new": 2}
    assert superseded(scene.out) == {"b"}, "nobody knows whether all of it was there"


def test_a_later_result_replaces_that_of_other_bytes_in_the_table(scene: Scene) -> None:
    scene.ended("a.nii")
    scene.ended("b.nii")
    scene.ended("a.nii", "failed")
    assert superseded(scene.out) == set()
    scene.ended("a.nii", names=["a-2"])
    assert superseded(scene.out) == {"a"}
