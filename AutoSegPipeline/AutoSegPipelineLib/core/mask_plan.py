"""A folder with one mask for each structure, as the intake gives it to processing: one staged JSON file.

``masks.json`` lies beside the staged masks: ``{"masks": [{"file", "name", "label"}], "empty": [...]}``.
``file`` is relative with slashes, ``name`` the structure that the file's name says, ``label`` what
messages call the file; ``empty`` names the masks without a voxel.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from .files import read_json, write_json

FILE = "masks.json"


@dataclass(frozen=True)
class Mask:
    """One staged mask; every voxel but 0 belongs to the structure."""

    file: str
    name: str
    label: str


@dataclass
class MaskPlan:
    """The masks of one segmentation, in the order of their structures."""

    masks: list[Mask]
    empty: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> Path:
        """Write the plan into ``folder``; its path."""
        path = folder / FILE
        write_json(path, {"masks": [asdict(mask) for mask in self.masks], "empty": self.empty})
        return path

    @classmethod
    def read(cls, path: Path) -> MaskPlan:
        """The plan at ``path``; raises OSError, ValueError."""
        plain = read_json(path)
        return cls([Mask(**mask) for mask in plain["masks"]], list(plain["empty"]))
