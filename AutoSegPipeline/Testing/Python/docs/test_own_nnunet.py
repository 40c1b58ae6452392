"""The page "My own nnU-Net in ten minutes", its commands run with a tiny model."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import support.docs as docs
from AutoSegPipelineLib.core.segmentation import Grid
from AutoSegPipelineLib.processing.phantom import torso, write_nifti
from AutoSegPipelineLib.processing.volume import Volume, to_affine
from support import tiny_models
from support.headless import clean_environment
from support.tiny_totalsegmentator import PYTHON, QUIET, needs_package

PAGE = (docs.DOCS / "own-nnunet-in-ten-minutes.md").read_text(encoding="utf-8")
STEP = re.compile(r"<!-- (run|file|prints)(?:: (.+?))? -->(?:\n```\w*\n(.*?)```)?", re.S)


def prepare(folder: Path) -> None:
    """The zip and the scan that the page speaks of."""
    results = folder / "results"
    subprocess.run(
        [PYTHON, tiny_models.__file__, str(results)], check=True, env={**os.environ, **QUIET}, timeout=120
    )
    tiny_models.as_zip(results / "Dataset503_Fullres", folder / "Dataset123_Teeth.zip")
    # A trunk of a third of the size: the network looks at 3 mm.
    trunk = torso(shape=(40, 34, 20), spacing=(9.0, 9.0, 9.0)).volume
    affine = np.array(trunk.grid.affine)
    affine[:3, :3] /= 3
    write_nifti(Volume(trunk.array, Grid(trunk.grid.shape, to_affine(affine))), folder / "scan.nii.gz")


def test_the_page_has_its_steps() -> None:
    kinds = [kind for kind, _, _ in STEP.findall(PAGE)]
    assert kinds.count("run") >= 6 and kinds.count("prints") >= 5 and kinds.count("file") == 2


def test_a_command_that_is_not_run_is_named_at_the_beginning() -> None:
    ran = "\n".join(text for kind, _, text in STEP.findall(PAGE) if kind == "run").splitlines()
    begin = PAGE[: PAGE.index("## 1.")]
    shown = [line for line in PAGE.splitlines() if re.match(r"(autoseg|python3 autoseg\.py) ", line)]
    left = [line for line in shown if line not in ran]
    assert len(shown) > len(left) > 0 and "word by word" not in begin
    for line in left:
        assert f"`{line.partition(' --')[0]}`" in begin.replace("\n", " "), line


@needs_package
def test_my_own_nnunet_in_ten_minutes(tmp_path: Path) -> None:
    prepare(tmp_path)
    places = {
        "AUTOSEG_HOME": str(tmp_path / "home"), "AUTOSEG_MODELS_DIR": str(tmp_path / "models"),
        "AUTOSEG_BACK_END": "torch",  # keeps nothing in the user's own folders
    }  # fmt: skip
    variables = {**clean_environment(**places), **QUIET}
    printed = ""
    for kind, what, text in STEP.findall(PAGE):
        if kind == "file":
            (tmp_path / what).parent.mkdir(exist_ok=True)
            (tmp_path / what).write_text(text, encoding="utf-8")
        elif kind == "prints":
            assert what in printed
        else:
            printed = ""
            for line in text.splitlines():
                words = shlex.split(line.replace("/path/to/python", shlex.quote(PYTHON)))
                assert words[0] == "autoseg"
                done = subprocess.run(
                    [sys.executable, "-m", "AutoSegPipelineLib.headless", *words[1:]],
                    cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=240, check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
                printed += done.stdout + done.stderr
    for name in (
        "out/scan.glb",
        "out/scan.labels.nii.gz",
        "out/scan.manifest.json",
        "both/scan.labels.nii.gz",
    ):
        assert (tmp_path / name).is_file(), name
    assert "lower_tooth" in (tmp_path / "both" / "scan.manifest.json").read_text(encoding="utf-8")
