"""Whether two back ends decide alike about the voxels of one window."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Mapping, Sequence

if TYPE_CHECKING:
    import torch

LEAST = 0.9999  # of the voxels, and what a class may gain or lose is the rest
LEAST_BF16 = 0.99  # 8 bits of mantissa cannot do better, and whoever asks for them knows
FEW = 3  # a voxel more or less in a small class is rounding, not an error


@dataclass(frozen=True)
class Parity:
    """``equal``: part of the voxels with the same decision; ``moved``: the most that a class gained or
    lost, as a part of its voxels, where that is more than :data:`FEW`; ``classes`` occur in the window.
    """

    equal: float
    moved: float
    classes: int
    voxels: int

    def holds(self, least: float) -> bool:
        """Whether at least this part is equal and no class moved by more than the rest."""
        return self.equal >= least and self.moved <= 1.0 - least + 1e-12

    def text(self) -> str:
        """For people."""
        return (
            f"{self.equal:.4%} of {self.voxels} voxels decided alike, "
            f"no class moved by more than {self.moved:.4%}"
        )

    def to_dict(self) -> dict[str, object]:
        """For the manifest and the record of a conversion."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: object) -> Parity:
        """Raises ValueError, TypeError or KeyError for what :meth:`to_dict` did not write."""
        if not isinstance(value, Mapping):
            raise TypeError(f"{value!r:.60} is no parity")
        equal, moved = float(value["equal"]), float(value["moved"])
        return cls(equal, moved, int(value["classes"]), int(value["voxels"]))


def decisions(scores: torch.Tensor, regions: bool) -> torch.Tensor:
    """What becomes of scores (1, heads, ...): the best class of each voxel, or of each region yes and no."""
    import torch

    return scores[0] > 0 if regions else scores[0].argmax(0).to(torch.int32)


def counts(decided: torch.Tensor, heads: int, regions: bool) -> torch.Tensor:
    """Voxels of each class or region."""
    import torch

    if regions:
        return decided.reshape(heads, -1).sum(1)
    return torch.bincount(decided.reshape(-1), minlength=heads)


def compare(wanted: torch.Tensor, found: torch.Tensor, heads: int, regions: bool) -> Parity:
    """The :func:`decisions` of torch and of the other."""
    same = (wanted == found).reshape(heads, -1).all(0) if regions else (wanted == found).reshape(-1)
    ours, theirs = counts(wanted, heads, regions), counts(found, heads, regions)
    moved = 0.0
    for before, after in zip(ours.tolist(), theirs.tolist()):
        if abs(before - after) > FEW:
            moved = max(moved, abs(before - after) / max(before, after))
    return Parity(float(same.double().mean()), moved, int((ours > 0).sum()), same.numel())


def worst(found: Sequence[Parity]) -> Parity:
    """Of several windows together: what was least alike in any."""
    return Parity(
        min(one.equal for one in found),
        max(one.moved for one in found),
        max(one.classes for one in found),
        sum(one.voxels for one in found),
    )
