"""Scans that the synthetic weights understand, and the Python that has the real package.

``AUTOSEG_TEST_TOTALSEGMENTATOR`` names that Python; it needs TotalSegmentator with its
torch and what requirements/base.txt lists. Without it these tests are left out: the
package is an extra of several gigabytes that most installations do not have.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from AutoSegPipelineLib.core.protocol import unpack
from AutoSegPipelineLib.processing.engines.totalsegmentator.known_tasks import Catalogue, Known, Mode
from AutoSegPipelineLib.processing.phantom import write_nifti
from AutoSegPipelineLib.processing.volume import Volume

import support.synthetic_weights as synthetic
from support.processing import DIRECTIONS, case_message, grid
from support.worker_process import LIBRARY, Worker

PYTHON = os.environ.get("AUTOSEG_TEST_TOTALSEGMENTATOR", "")
needs_package = pytest.mark.skipif(
    not PYTHON, reason="needs TotalSegmentator (14 GB): AUTOSEG_TEST_TOTALSEGMENTATOR=yes runs it"
)
QUIET = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}


def scan(
    shape: tuple[int, int, int] = (60, 54, 44),
    modality: str = "CT",
    seed: int = 0,
    blocks: int = 14,
    highest: int = 0,
    mm: float = 3.0,
    turned: str = "flipped",
    noise: int = 0,
) -> tuple[Volume, np.ndarray]:
    """Blocks that each have the intensity of one class, in air; and the classes (k, j, i) that are meant.

    With ``noise`` (less than half a class) it is not taken for a label map where the intensities are small.
    """
    rng = np.random.default_rng(seed)
    highest = highest or (50 if modality == "MR" else 117)
    truth = np.zeros(shape[::-1], np.uint8)
    for _ in range(blocks):
        box = []
        for size in truth.shape:
            begin = int(rng.integers(2, size - 14))
            box.append(slice(begin, begin + int(rng.integers(9, 13))))
        truth[tuple(box)] = int(rng.integers(1, highest + 1))
    first = synthetic.MR_ORIGIN if modality == "MR" else synthetic.CT_ORIGIN
    array = np.where(truth > 0, first + synthetic.STEP * truth, 0 if modality == "MR" else -1000)
    array = array + rng.integers(-noise, noise + 1, array.shape)
    on = grid(shape, DIRECTIONS[turned], spacing=(mm, mm, mm * 1.1))
    return Volume(np.ascontiguousarray(array.astype(np.int16)), on, modality), truth


def write_scan(folder: Path, **how: Any) -> tuple[Path, np.ndarray]:
    """The same as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    volume, truth = scan(**how)
    return write_nifti(volume, folder / f"scan{how.get('seed', 0)}.nii.gz"), truth


def user_data(folder: Path) -> dict[str, str]:
    """Variables that move the user's data folder to ``folder``."""
    return {name: str(folder) for name in ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME")}


def run_there(
    *arguments: str, home: Path | None = None, seconds: float = 300, data: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the other Python; ``data`` takes the place of the user's data folder."""
    env = {**os.environ, **QUIET, "PYTHONPATH": LIBRARY}
    if home is not None:
        env["TOTALSEG_HOME_DIR"] = str(home)
    if data is not None:
        env.update(user_data(data))
    return subprocess.run(
        [PYTHON, *arguments], env=env, capture_output=True, text=True, timeout=seconds, check=False
    )


def make_home(folder: Path, *numbers: int) -> Path:
    """A home of the package with synthetic weights, of these models or of all."""
    script = str(Path(synthetic.__file__))
    done = run_there(script, str(folder), *map(str, numbers))
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def command_line(home: Path, source: Path, target: Path, *more: str) -> None:
    """What a person would type."""
    program = "from totalsegmentator.bin.TotalSegmentator import main; main()"
    done = run_there(
        "-c",
        program,
        "-i",
        str(source),
        "-o",
        str(target),
        "--ml",
        "--device",
        "cpu",
        "-ns",
        "1",
        *more,
        home=home,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def worker(home: Path, **env: str) -> Worker:
    """A worker under the other Python."""
    return Worker(
        PYTHON, "-m", "AutoSegPipelineLib.processing.worker", TOTALSEG_HOME_DIR=str(home), **{**QUIET, **env}
    )


def ask(
    there: Worker, job: str, source: Path, folder: Path, modality: str = "CT", **options: Any
) -> list[dict]:
    """Send a case and hear every message until its end."""
    wanted = {"engine": "totalsegmentator", "device": "cpu", "formats": ["seg"], **options}
    message = case_message(source, folder, modality=modality, options=wanted)
    there.send(type="case", job=job, attempt=1, case=message)
    return there.until("done", "failed", seconds=240)


def result_of(seen: list[dict]) -> dict[str, Any]:
    """The result of a case that is done."""
    assert seen[-1]["type"] == "done", seen[-1]
    return unpack("result", seen[-1])


def logs(seen: list[dict]) -> str:
    """The lines of its log."""
    return "\n".join(m["text"] for m in seen if m["type"] == "log")


def small_catalogue() -> Catalogue:
    """A catalogue as an adapter makes it, for what needs no package."""
    three = {"normal": Mode((291, 292), 1.5), "fast": Mode((297,), 3.0), "fastest": Mode((298,), 6.0)}
    parts = {
        291: frozenset(("spleen", "kidney_right", "kidney_left")),
        292: frozenset(("vertebrae_L1",)),
    }
    classes = {1: "spleen", 2: "kidney_right", 3: "kidney_left", 4: "vertebrae_L1"}

    def one(name: str, found: str, number: int, modality: str = "CT", **more: Any) -> Known:
        modes = {"normal": Mode((number,), 0.7), **more.pop("modes", {})}
        return Known(name, modality, {1: found}, modes, **more)

    tasks = [
        Known("total", "CT", classes, three, parts=parts),
        one("total_mr", "liver", 850, "MR", modes={"fast": Mode((852,), 3.0)}),
        one("body", "body_trunc", 299, modes={"fast": Mode((300,), 6.0)}),
        one("lung_vessels", "lung_veins", 117, crop=("lung",), robust=True),
        one("teeth", "crown", 113, crop=("teeth_upper",), crop_task="jaw"),
        one("jaw", "teeth_upper", 115, crop=("skull",)),
        one("face", "face", 303, licence=True),
    ]
    numbers = (291, 292, 297, 298, 850, 852, 299, 300, 117, 113, 115, 303)
    folders = {number: f"Dataset{number:03d}_x" for number in numbers}
    return Catalogue("9.9", {task.name: task for task in tasks}, folders, "registry")


if __name__ == "__main__":
    print(write_scan(Path(sys.argv[1])))
