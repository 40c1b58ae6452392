"""The scan behind a result, for the viewer, as long as its staged copy is still there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core import incoming
from ..core.files import contained, is_link
from ..core.home import Home
from ..core.job import Job

# What the viewer reads from one address; a header with its data beside it is two.
READABLE = (".nii.gz", ".nii", ".nrrd", ".mha")
_GONE = (
    "The scan was not kept. Inputs are removed {hours:g} hours after their case is done "
    "(the settings inputs and grace_hours); the result stays."
)


@dataclass(frozen=True)
class Scan:
    """A staged volume. ``affine`` takes voxel indices to LPS mm as the case was segmented."""

    path: Path
    affine: list[list[float]] | None

    @property
    def name(self) -> str:
        """A name that tells the format and nothing else."""
        return "scan" + next(ending for ending in READABLE if self.path.name.endswith(ending))

    def to_dict(self) -> dict[str, object]:
        """For the page."""
        return {"name": self.name, "size": self.path.stat().st_size, "affine": self.affine}


def find_scan(home: Home, job: Job) -> Scan | None:
    """The scan of ``job``, or None where it is gone or cannot be shown."""
    path = _staged(home, job)
    if path is None or not path.name.endswith(READABLE):
        return None
    return Scan(path, job.staged.get("affine"))


def why_not(home: Home, job: Job, grace_hours: float) -> str:
    """What to tell people where :func:`find_scan` finds none."""
    if job.staged.get("kind") == "segmentation":
        return "This result was made from a segmentation; there is no scan."
    if _staged(home, job) is not None:
        return "This scan is a header with its data in a second file, which the slice view cannot read."
    return _GONE.format(hours=grace_hours)


def _staged(home: Home, job: Job) -> Path | None:
    relative = str(job.staged.get("path") or "")
    if not relative or job.staged.get("kind") == "segmentation":
        return None
    for folder in (incoming.folder_of(home, job.id), home.spent / job.id):
        path = folder / relative
        if contained(folder, path) and not is_link(path) and path.is_file():
            return path
    return None
