"""How many triangles a case may have, how its structures share them, and what was done to keep that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

DEFAULT_TRIANGLES = 1_000_000
DEFAULT_PIECE_ML = 0.01
SOFT_WEIGHT = 0.25  # of what covers the structures that one wants to see
FEWEST = 100  # triangles that every structure may have: with less it would lose its shape
MARGIN = 0.97  # of a share is aimed at: taking pinches apart adds a few triangles


@dataclass
class StructureNote:
    """What became of one structure's surface.

    ``full`` triangles are those of its voxels' faces, ``share`` is the most it may have (None: it
    needs no limit), ``specks`` pieces of ``specks_ml`` were left out. ``error_mm`` is the distance
    between the smooth surface before simplifying and the one written: mean, and what 99 % of places
    stay below.
    """

    full: int = 0
    share: int | None = None
    triangles: int = 0
    specks: int = 0
    specks_ml: float = 0.0
    error_mm: tuple[float, float] | None = None


@dataclass
class Budget:
    """The limits (0: none), and after :func:`~.make.make_surfaces` what it did, by structure name.

    ``most`` triangles for the case; pieces below ``piece_ml`` are specks. ``holes`` were filled. The
    surfaces of the structures in ``follows`` follow the scan.
    """

    most: int = DEFAULT_TRIANGLES
    piece_ml: float = DEFAULT_PIECE_ML
    holes: int = 0
    follows: list[str] = field(default_factory=list)
    notes: dict[str, StructureNote] = field(default_factory=dict)

    @property
    def full(self) -> int:
        """Triangles of all voxel faces."""
        return sum(note.full for note in self.notes.values())

    @property
    def triangles(self) -> int:
        """Triangles of the surfaces."""
        return sum(note.triangles for note in self.notes.values())

    def to_dict(self) -> dict[str, Any]:
        """As the manifest says it."""
        return {
            "summary": self.summary(),
            "max_triangles": self.most,
            "triangles_full": self.full,
            "triangles": self.triangles,
            "limited": sorted(name for name, note in self.notes.items() if note.share is not None),
            "min_piece_ml": self.piece_ml,
            "specks": sum(note.specks for note in self.notes.values()),
            "specks_ml": round(sum(note.specks_ml for note in self.notes.values()), 4),
            "holes": self.holes,
            "follows_scan": sorted(self.follows),
        }

    def summary(self) -> str:
        """One paragraph in plain words."""
        limited = sum(note.share is not None for note in self.notes.values())
        text = f"The surfaces have {self.triangles:,} of the {self.full:,} triangles of the voxels' faces. "
        if not self.most:
            text += "There was no limit. "
        elif limited:
            named = "structure was" if limited == 1 else "structures were"
            text += f"To stay within the limit of {self.most:,}, {limited} {named} simplified further. "
        else:
            text += f"The limit of {self.most:,} did not matter. "
        specks = sum(note.specks for note in self.notes.values())
        if specks or self.holes:
            amount = sum(note.specks_ml for note in self.notes.values())
            text += (
                f"Left out of the surfaces, and kept in the label map: {specks:,} separate pieces "
                f"smaller than {self.piece_ml:g} ml ({amount:.3g} ml in all); {self.holes:,} holes of "
                "that size were filled."
            )
        else:
            text += "No piece was left out."
        if self.follows:
            text += f" Between voxels the scan says where these end: {', '.join(sorted(self.follows))}."
        return text


def shares(wanted: np.ndarray, faces: np.ndarray, soft: np.ndarray, most: int) -> np.ndarray:
    """The most triangles of each structure (n,), so that all together have at most ``most``
    (unless that is less than :data:`FEWEST` for each).

    ``wanted`` is what each would have, ``faces`` how many faces its voxels have. A share grows with
    the square root of that, and is a quarter for ``soft`` tissue. What one does not need goes to the others.
    """
    wanted = np.asarray(wanted, np.float64)
    weight = np.sqrt(np.maximum(faces, 1.0)) * np.where(soft, SOFT_WEIGHT, 1.0)
    share = wanted.copy()
    open_ = np.ones(len(wanted), bool)
    while open_.any():
        left = most - wanted[~open_].sum()
        level = max(left, 0.0) / weight[open_].sum()
        content = open_ & (wanted <= level * weight)
        if not content.any():
            share[open_] = level * weight[open_]
            break
        open_ &= ~content
    return np.maximum(share, np.minimum(wanted, FEWEST))
