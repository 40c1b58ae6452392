"""A program that somebody else wrote: it segments what is bright, or misbehaves in one of many ways.

``program.py LIBRARY MODE INPUT OUTPUT [WORDS ...]``
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

WAIT = "import time; time.sleep(120)"
# Leaves its parent's group and session, and its parent ends at once.
DAEMON = (
    "import os, sys, time\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
    "time.sleep(120)\n"
)


def main() -> int:
    library, mode, scan, output, *words = sys.argv[1:]
    sys.path.insert(0, library)
    step = globals()[f"_{mode}"]
    return int(step(Path(scan), Path(output), words) or 0)


def _labels(scan: Path):
    import numpy as np
    from AutoSegPipelineLib.processing.volume import read_volume

    volume = read_volume(scan)
    volume.array = np.where(volume.array > 500, 2, np.where(volume.array > 100, 1, 0)).astype(np.uint8)
    return volume


def _write(volume, path: Path) -> None:
    from AutoSegPipelineLib.processing.phantom import write_nifti

    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(volume, path)


def _good(scan: Path, output: Path, words: list[str]) -> None:
    _write(_labels(scan), output)


def _said(scan: Path, output: Path, words: list[str]) -> None:
    """Writes down what it was given, and the labels."""
    found = {"words": words, "environment": dict(os.environ), "folder": os.getcwd(), "scan": str(scan)}
    Path(words[0]).write_text(json.dumps(found), encoding="utf-8")
    _good(scan, output, words)


def _reoriented(scan: Path, output: Path, words: list[str]) -> None:
    """The same voxels in canonical order, as many programs write them."""
    import SimpleITK

    image = SimpleITK.ReadImage(str(scan))
    labels = SimpleITK.Cast(image > 500, SimpleITK.sitkUInt8) + SimpleITK.Cast(
        image > 100, SimpleITK.sitkUInt8
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(labels, "RAS"), str(output))


def _finer(scan: Path, output: Path, words: list[str]) -> None:
    """Another resolution than the scan's."""
    import SimpleITK

    image = SimpleITK.ReadImage(str(scan)) > 100
    spacing = [mm / 2 for mm in image.GetSpacing()]
    size = [2 * count for count in image.GetSize()]
    finer = SimpleITK.Resample(
        image, size, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor,
        image.GetOrigin(), spacing, image.GetDirection(), 0, SimpleITK.sitkUInt8,
    )  # fmt: skip
    SimpleITK.WriteImage(finer, str(output))


def _fewer_slices(scan: Path, output: Path, words: list[str]) -> None:
    import SimpleITK

    SimpleITK.WriteImage(
        SimpleITK.Cast(SimpleITK.ReadImage(str(scan)) > 100, SimpleITK.sitkUInt8)[:, :, :-2], str(output)
    )


def _fractions(scan: Path, output: Path, words: list[str]) -> None:
    import numpy as np

    volume = _labels(scan)
    volume.array = volume.array.astype(np.float32) * np.float32(0.3)
    _write(volume, output)


def _nonsense(scan: Path, output: Path, words: list[str]) -> None:
    output.write_bytes(b"not a volume at all" * 100)


def _blank(scan: Path, output: Path, words: list[str]) -> None:
    volume = _labels(scan)
    volume.array[...] = 0
    _write(volume, output)


def _nothing(scan: Path, output: Path, words: list[str]) -> None:
    print("I did my best")


def _beside(scan: Path, output: Path, words: list[str]) -> None:
    _good(scan, output.with_name("other.nii.gz"), words)


def _masks(scan: Path, output: Path, words: list[str]) -> None:
    import numpy as np

    for value, name in ((1, "kidney_left"), (2, "Thing_B"), (3, "empty")):
        volume = _labels(scan)
        volume.array = (volume.array >= value).astype(np.uint8) if value < 3 else np.zeros_like(volume.array)
        _write(volume, output / f"{name}.nii.gz")


def _shifted_masks(scan: Path, output: Path, words: list[str]) -> None:
    from AutoSegPipelineLib.core.segmentation import Grid

    _masks(scan, output, words)
    volume = _labels(scan)
    rows = [list(row) for row in volume.grid.affine]
    rows[2][3] += 0.5
    volume.grid = Grid(volume.grid.shape, tuple(tuple(row) for row in rows))
    _write(volume, output / "late.nii.gz")


def _cropped(scan: Path, output: Path, words: list[str]) -> None:
    """A ``.seg.nrrd`` of what is not empty only, as 3D Slicer crops it."""
    import SimpleITK

    image = SimpleITK.ReadImage(str(scan))
    labels = SimpleITK.Cast(image > 500, SimpleITK.sitkUInt8)
    labels = labels[2:-2, 3:, 1:-1]
    for key, value in (
        ("ID", "Segment_1"),
        ("Name", "Left kidney"),
        ("LabelValue", "1"),
        ("Layer", "0"),
        ("Color", "1 0 0"),
    ):
        labels.SetMetaData(f"Segment0_{key}", value)
    SimpleITK.WriteImage(labels, str(output))


def _copies(scan: Path, output: Path, words: list[str]) -> None:
    """Hands out a result that was made elsewhere."""
    output.write_bytes(Path(words[0]).read_bytes())


def _progress(scan: Path, output: Path, words: list[str]) -> None:
    for number in range(5):
        sys.stderr.write(f"\rpredicting {number + 1}/5 [00:01]")
        time.sleep(0.4)
    print("\nready")
    _good(scan, output, words)


def _fails(scan: Path, output: Path, words: list[str]) -> int:
    print("the weights are not here", file=sys.stderr)
    return 3


def _no_memory(scan: Path, output: Path, words: list[str]) -> int:
    print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", file=sys.stderr)
    return 1


def _hangs(scan: Path, output: Path, words: list[str]) -> None:
    """Deaf to polite requests, with a child, and one more that has left its group and session."""
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", WAIT])
    daemon = _daemon(Path(words[0] + ".daemon"))
    Path(words[0]).write_text(f"{os.getpid()} {child.pid} {daemon}", encoding="ascii")
    time.sleep(120)


def _polite(scan: Path, output: Path, words: list[str]) -> None:
    """Ends what it started when it is asked to, as the client of a container does."""
    import signal

    def leave(*_: object) -> None:
        Path(words[1]).write_text("asked", encoding="ascii")
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    Path(words[0]).write_text(str(os.getpid()), encoding="ascii")
    time.sleep(120)


def _floods(scan: Path, output: Path, words: list[str]) -> None:
    Path(words[0]).write_text(str(os.getpid()), encoding="ascii")
    line = b"nothing new here " * 60 + b"\n"
    while True:
        os.write(1, line * 100)


def _one_line(scan: Path, output: Path, words: list[str]) -> None:
    """Megabytes without an end of line, then it works."""
    for _ in range(20):
        os.write(1, b"." * (1 << 20))
    _good(scan, output, words)


def _fills(scan: Path, output: Path, words: list[str]) -> None:
    Path(words[0]).write_text(str(os.getpid()), encoding="ascii")
    number = 0
    while True:
        (output.parent / f"{number}.bin").write_bytes(bytes(1 << 20))
        number += 1
        time.sleep(0.02)


def _leaves(scan: Path, output: Path, words: list[str]) -> None:
    _good(scan, output, words)
    _daemon(Path(words[0]))


def _daemon(note: Path) -> int:
    """The pid of a process that nothing leads back to; it writes it into ``note``."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([sys.executable, "-c", DAEMON, str(note)], check=True, **quiet)
    while not note.exists() or not note.read_text():
        time.sleep(0.02)
    return int(note.read_text())


def _brief_helper(scan: Path, output: Path, words: list[str]) -> None:
    """A helper that ends by itself a moment later, as Python's resource tracker does."""
    _good(scan, output, words)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.7)"])


if __name__ == "__main__":
    sys.exit(main())
