"""Which of the files that were dropped on the page are one upload."""

from __future__ import annotations

import json
import subprocess

from AutoSegPipelineLib.core.input_names import SCAN_ENDINGS
from support import MODULE
from support.programs import program

DROP = MODULE / "AutoSegPipelineLib" / "web" / "static" / "js" / "uploads" / "drop.js"
SCRIPT = """
import { readFileSync } from "node:fs";
const code = readFileSync(process.argv[1], "utf8");
const { withData } = await import("data:text/javascript;base64," + Buffer.from(code).toString("base64"));
const things = withData(process.argv.slice(2).map((name) => ({ name })));
console.log(JSON.stringify(things.map((one) => [one.label, one.folder, one.files.map((each) => each.path)])));
"""


def uploads(*names: str) -> list[list[object]]:
    command = [program("node"), "--input-type=module", "-e", SCRIPT, str(DROP), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: list[list[object]] = json.loads(done.stdout)
    return found


def test_what_is_no_scan_goes_with_the_first_scan() -> None:
    names = ["IM1", "IM2", "viewer.exe", "logo.png", "dwi.bval"]
    assert uploads(*names) == [["DICOM files", True, names]]
    assert uploads("readme.txt", "a.nii.gz", "b.nii") == [
        ["a.nii.gz", True, ["a.nii.gz", "readme.txt"]], ["b.nii", False, ["b.nii"]],
    ]  # fmt: skip


def test_without_a_scan_they_are_one_upload() -> None:
    assert uploads("a.png", "b.ini", "c.pdf") == [["a.png and 2 more", True, ["a.png", "b.ini", "c.pdf"]]]
    assert uploads("a.png") == [["a.png", False, ["a.png"]]]


def test_slices_that_are_named_by_their_uids_are_one_upload() -> None:
    names = ["1.2.840.113619.2.1", "1.2.840.113619.2.2"]
    assert uploads(*names) == [["DICOM files", True, names]]


def test_options_and_all_that_is_called_like_a_scan_stand_for_themselves() -> None:
    names = [f"x{ending}" for ending in SCAN_ENDINGS if ending not in (".dcm", ".dicom", ".ima")]
    names += ["x.options.json", "options.json", "study.zip"]
    headers = [".mhd", ".nhdr"]  # they take what is called like them along
    alone = [
        name for name in names if not name.endswith((*headers, ".raw", ".raw.gz", ".zraw", ".img", ".img.gz"))
    ]
    assert [one[2] for one in uploads(*alone)] == [[name] for name in alone]
